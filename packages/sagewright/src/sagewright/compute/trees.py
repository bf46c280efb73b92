"""Measures and removes folder trees that a container wrote.

Such a tree may hold anything: symbolic links out of it, folders without permissions, thousands of levels. Everything goes
through descriptors of folders and never follows a link. Standard library only: the shim uses it too.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 256  # levels that disk_use descends; each one holds a descriptor


def disk_use(*roots: Path) -> int:
    """Bytes that the trees occupy on their own file systems; a file with several names counts once, a mount below them not."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for root in roots:
        try:
            descriptor = os.open(root, _FOLDER)
        except FileNotFoundError:
            continue
        for status in _walk(descriptor, os.fstat(descriptor).st_dev, 0):
            identity = (status.st_dev, status.st_ino)
            if identity not in seen:
                total += status.st_blocks * 512
                seen.add(identity)
    return total


def give(root: Path, user: int, group: int) -> None:
    """Makes ``user`` and ``group`` the owners of the tree (or file). Raises PermissionError unless we are root."""
    try:
        descriptor = os.open(root, _FOLDER)
    except NotADirectoryError:
        os.chown(root, user, group, follow_symlinks=False)
        return
    device = os.fstat(descriptor).st_dev
    os.chown(descriptor, user, group)
    for folder, name, status in _entries(descriptor, device, 0):
        if (status.st_uid, status.st_gid) != (user, group):
            os.chown(name, user, group, dir_fd=folder, follow_symlinks=False)


def remove(root: Path) -> None:
    """Deletes the tree (or the file or link) at ``root``; nothing there is fine. Raises OSError when a mount is in it.

    Works level by level: folders found below are moved up to the root and emptied there, so neither depth nor path length
    matters, and a removal that was interrupted, or that runs twice at once, simply goes on.
    """
    try:
        descriptor = _open_folder(root)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        root.unlink(missing_ok=True)
        return
    try:
        while names := [name for name in _names(descriptor) if not _unlinked(descriptor, name)]:
            for name in names:
                _empty_into(descriptor, name)
    finally:
        os.close(descriptor)
    with contextlib.suppress(FileNotFoundError):
        root.rmdir()


def _walk(descriptor: int, device: int, depth: int) -> Iterator[os.stat_result]:
    for _, _, status in _entries(descriptor, device, depth):
        yield status


def _entries(descriptor: int, device: int, depth: int) -> Iterator[tuple[int, str, os.stat_result]]:
    """All entries below an open folder, which is closed at the end, as (folder, name, status)."""
    try:
        for name in _names(descriptor):
            status = _status(descriptor, name)
            if status is None or status.st_dev != device:
                continue
            yield descriptor, name, status
            if stat.S_ISDIR(status.st_mode) and depth < _DEEPEST:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    yield from _entries(_open_folder(name, descriptor), device, depth + 1)
    finally:
        os.close(descriptor)


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except PermissionError:  # its folder may be read but not entered
        os.fchmod(folder, 0o700)
        with contextlib.suppress(FileNotFoundError):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        return None


def _open_folder(name: str | Path, parent: int | None = None) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
        try:
            Path(f"/proc/self/fd/{handle}").chmod(0o700)
        finally:
            os.close(handle)
        return os.open(name, _FOLDER, dir_fd=parent)


def _unlinked(folder: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except (IsADirectoryError, PermissionError):
        return _is_gone(folder, name)
    return True


def _is_gone(folder: int, name: str) -> bool:
    """After a refused unlink: a folder answers EISDIR or EPERM; a file whose folder may not be written to, EACCES."""
    try:
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            return False
        os.fchmod(folder, 0o700)
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    return True


def _empty_into(top: int, name: str) -> None:
    try:
        folder = _open_folder(name, top)
    except FileNotFoundError:
        return
    try:
        os.fchmod(folder, 0o700)  # moving a folder out of it, or renaming it, needs its permission
        for entry in _names(folder):
            if not _unlinked(folder, entry):
                _move_up(folder, entry, top)
    finally:
        os.close(folder)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=top)


def _move_up(folder: int, name: str, top: int) -> None:
    try:
        moved = _open_folder(name, folder)  # a folder that may not be written to cannot change its parent
    except FileNotFoundError:
        return
    try:
        os.fchmod(moved, 0o700)
        unique = f".removing-{os.urandom(8).hex()}"  # a name that the tree's author could guess might be taken
        with contextlib.suppress(FileNotFoundError):
            os.rename(name, unique, src_dir_fd=folder, dst_dir_fd=top)
    finally:
        os.close(moved)
