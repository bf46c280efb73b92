"""Copies a folder tree so that nobody who changes one of both changes the other.

Where the file system can share blocks until they are written (XFS, btrfs), the kernel does: then a copy costs neither time nor disk.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path
from threading import Event
from typing import IO

_CHUNK = 64 * 1024 * 1024
_CANNOT = (errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Stopped(Exception):
    """Nobody wants the copy any more."""


def clone(source: Path, target: Path, stop: Event) -> None:
    """Makes ``target``, which is not there, like ``source``: folders, files and links with their modes; links stay as they are.

    Raises Stopped soon after ``stop`` is set, OSError when the disk refuses; what is there by then stays.
    """
    target.mkdir()
    for entry in source.iterdir():
        place = target / entry.name
        if entry.is_symlink():
            place.symlink_to(entry.readlink())
        elif entry.is_dir():
            clone(entry, place, stop)
        else:
            _file(entry, place, stop)
    target.chmod(stat.S_IMODE(source.stat().st_mode))


def _file(source: Path, target: Path, stop: Event) -> None:
    with source.open("rb") as content, target.open("xb") as copy:
        _content(content, copy, stop)
        target.chmod(stat.S_IMODE(os.fstat(content.fileno()).st_mode))


def _content(content: IO[bytes], copy: IO[bytes], stop: Event) -> None:
    try:
        while not stop.is_set():
            if not os.copy_file_range(content.fileno(), copy.fileno(), _CHUNK):
                return
    except OSError as unfit:
        if unfit.errno not in _CANNOT:
            raise
        content.seek(copy.seek(0, os.SEEK_END))
        shutil.copyfileobj(content, copy, _CHUNK)
        return
    raise Stopped
