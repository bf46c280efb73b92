"""Reads folders that a container writes to, without following its links.

What lies below such a folder can change at any moment and may be a link to anywhere. So every step down is taken with
O_NOFOLLOW from a descriptor of the folder above, never by a path.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """A regular file: its path below the folder that was listed, with slashes; size in bytes; modification in nanoseconds."""

    path: str
    size: int
    modified: int


def files(root: Path, below: str = "") -> list[Entry]:
    """Every regular file under ``root/below``, in name order; links are left out. ``root`` itself is trusted."""
    found: list[Entry] = []
    try:
        top = _descend(root, below)
    except OSError:
        return found
    try:
        for folder, folders, names, handle in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            folders.sort()
            for name in names:
                seen = _look(name, handle)
                if seen is not None and stat.S_ISREG(seen.st_mode):
                    found.append(Entry(os.path.normpath(f"{folder}/{name}"), seen.st_size, seen.st_mtime_ns))
    finally:
        os.close(top)
    return sorted(found)


@contextmanager
def opened(root: Path, relative: str) -> Iterator[int]:
    """A descriptor of the regular file ``root/relative``. Raises OSError when it is missing, a link or no regular file."""
    above, _, name = relative.rpartition("/")
    folder = _descend(root, above)
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise FileNotFoundError(f"{relative} is no regular file")
        yield handle
    finally:
        os.close(handle)


def read_start(root: Path, relative: str, limit: int) -> str:
    """The first ``limit`` bytes of a file as text; empty when there is none."""
    try:
        with opened(root, relative) as handle:
            return os.read(handle, limit).decode("utf-8", "replace")
    except OSError:
        return ""


def modified(root: Path, relative: str) -> float:
    """When a regular file was last written to (epoch seconds); infinity when there is none."""
    try:
        with opened(root, relative) as handle:
            return os.fstat(handle).st_mtime
    except OSError:
        return float("inf")


def is_real(root: Path, relative: str) -> bool:
    """Whether ``root/relative`` is a folder that is reached without a link. Holds only as long as nothing writes there."""
    try:
        os.close(_descend(root, relative))
    except OSError:
        return False
    return True


def move_out(root: Path, relative: str, target: Path) -> bool:
    """Renames the folder ``root/relative`` to ``target``, which replaces what is there if that is empty; False when there is none.

    A link is left where it is. Raises OSError where the file system refuses, as from one to another.
    """
    above, _, name = relative.rpartition("/")
    try:
        folder = _descend(root, above)
    except OSError:
        return False
    try:
        seen = _look(name, folder)
        if seen is None or not stat.S_ISDIR(seen.st_mode):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(name, target, src_dir_fd=folder)
        return True
    finally:
        os.close(folder)


def descriptor_path(handle: int) -> Path:
    """A path by which another library can open what ``handle`` is open on, whatever lies at its name by then."""
    return Path(f"/proc/self/fd/{handle}") if Path("/proc/self/fd").exists() else Path(f"/dev/fd/{handle}")


def _descend(root: Path, below: str) -> int:
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for part in below.split("/") if below else ():
        try:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
        finally:
            os.close(handle)
        handle = deeper
    return handle


def _look(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
