"""Unpacks one layer of an image into a folder of its own, as overlayfs wants to have it.

A layer comes from whoever may push, and we may be root: every step goes through descriptors of folders and never follows a link,
so nothing outside the folder is read or written whatever the archive names. Device files are left out (containers have their
own), and so are setuid bits (containers could not use them).
"""

from __future__ import annotations

import errno
import gzip
import os
import stat
import tarfile
import zlib
from pathlib import Path
from typing import IO, cast

from sagewright.compute.users import USERS

_CHUNK = 1024 * 1024
_HEADER_LIMIT = 4 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = ".wh."
_OPAQUE = ".wh..wh..opq"
_OURS = ".wh..wh."  # aufs kept its own files under such names


def unpack(blob: Path, folder: Path, room: int, users: int | None, owner: tuple[int, int] | None = None) -> int:
    """Fills the empty ``folder``; the bytes that took. ``users``: the host's id of the image's user 0; None: ``owner`` owns everything, or we do.

    Raises ValueError with a text for the user when it is no tar archive, names something outside or holds more than ``room``
    bytes; OSError when the disk refuses.
    """
    with blob.open("rb") as packed:
        zipped = packed.read(2) == _GZIP
        packed.seek(0)
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=packed)) if zipped else cast("IO[bytes]", packed)
        top = os.open(folder, _FOLDER)
        try:
            return room - _Unpacking(top, room, users, owner).run(stream)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError, OverflowError) as error:
            raise ValueError("a layer is not a complete tar archive, plain or compressed by gzip") from error
        finally:
            os.close(top)


class _Guarded:
    """The archive as tarfile reads it: a header that asks for much memory at once is refused."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER_LIMIT:
            raise ValueError("a header of a layer is too large")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


class _Unpacking:
    def __init__(self, top: int, room: int, users: int | None, owner: tuple[int, int] | None) -> None:
        self._top = top
        self._room = room
        self._users = users
        self._owner = owner if users is None else (users, users)

    def run(self, stream: IO[bytes]) -> int:
        """The room that is left."""
        self._own(self._top)
        os.fchmod(self._top, 0o755)
        with tarfile.open(fileobj=cast("IO[bytes]", _Guarded(stream)), mode="r:") as tar:
            for member in tar:
                tar.members = []  # type: ignore[attr-defined] # else it remembers every one of a million
                self._room -= member.size + 512
                if self._room < 0:
                    raise ValueError("the image does not fit on the disk")
                self._member(tar, member)
        while stream.read(_CHUNK):
            continue  # gzip checks its sum at the end, behind tar's padding
        return self._room

    def _member(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = _parts(member.name)
        if not parts:
            if member.isdir():
                self._finish(self._top, member)
            return
        parent = self._folder(parts[:-1], member.name)
        try:
            if parts[-1].startswith(_GONE):
                self._whiteout(parent, parts[-1])
            else:
                self._make(tar, member, parent, parts[-1])
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise ValueError(f"a layer uses the name {member.name!r} twice, for different things") from error
        finally:
            os.close(parent)

    def _make(self, tar: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str) -> None:
        if member.isdir():
            self._make_folder(member, parent, name)
            return
        if not (member.isreg() or member.issym() or member.islnk() or member.isfifo()):
            return
        _make_room(parent, name)
        if member.islnk():
            self._hard_link(member, parent, name)
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=parent)
            self._give(parent, name, member)
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=parent)
            self._settle(parent, name, member)
        else:
            self._write(tar, member, parent, name)

    def _make_folder(self, member: tarfile.TarInfo, parent: int, name: str) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise
        folder = os.open(name, _FOLDER, dir_fd=parent)
        try:
            self._finish(folder, member)
        finally:
            os.close(folder)

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(name, flags, 0o600, dir_fd=parent)
        with os.fdopen(target, "wb", buffering=0) as file:
            content = tar.extractfile(member)
            while content is not None and (part := content.read(_CHUNK)):
                file.write(part)
            self._finish(target, member)
            os.utime(target, (member.mtime, member.mtime))

    def _hard_link(self, member: tarfile.TarInfo, parent: int, name: str) -> None:
        *above, last = _parts(member.linkname) or ("",)
        source = self._folder(tuple(above), member.linkname)
        try:
            os.link(last, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, PermissionError) as error:
            raise ValueError(f"the link {member.name!r} of a layer points to no file of it") from error
        finally:
            os.close(source)

    def _whiteout(self, parent: int, name: str) -> None:
        """Something of a layer below is gone: overlayfs wants a device 0/0 of its name, or a mark on the folder."""
        if name == _OPAQUE:
            mark = "user.overlay.opaque" if os.geteuid() else "trusted.overlay.opaque"
            os.setxattr(parent, mark, b"y")
        elif not name.startswith(_OURS):
            gone = name.removeprefix(_GONE)
            if gone in ("", ".", ".."):
                raise ValueError("a layer removes what has no name")
            _make_room(parent, gone)
            os.mknod(gone, stat.S_IFCHR | 0o600, os.makedev(0, 0), dir_fd=parent)

    def _folder(self, parts: tuple[str, ...], name: str) -> int:
        """A descriptor of a folder of the layer, made where it is missing."""
        found = os.dup(self._top)
        try:
            for part in parts:
                try:
                    below = os.open(part, _FOLDER, dir_fd=found)
                except FileNotFoundError:
                    os.mkdir(part, 0o755, dir_fd=found)
                    below = os.open(part, _FOLDER, dir_fd=found)
                    self._own(below)
                os.close(found)
                found = below
        except OSError as error:
            os.close(found)
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise ValueError(f"the member {name!r} of a layer lies behind a link or a file") from error
            raise
        return found

    def _give(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        if (ids := self._ids(member)) is not None:
            os.chown(name, *ids, dir_fd=parent, follow_symlinks=False)

    def _finish(self, descriptor: int, member: tarfile.TarInfo) -> None:
        if (ids := self._ids(member)) is not None:
            os.fchown(descriptor, *ids)
        os.fchmod(descriptor, self._mode(member))

    def _settle(self, parent: int, name: str, member: tarfile.TarInfo) -> None:
        handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            self._give(parent, name, member)
            Path(f"/proc/self/fd/{handle}").chmod(self._mode(member))
        finally:
            os.close(handle)

    def _mode(self, member: tarfile.TarInfo) -> int:
        """Whoever has only one id must be able to read what was somebody else's."""
        mode = member.mode & 0o1777
        return mode if self._users is not None else mode | (0o700 if member.isdir() else 0o400)

    def _own(self, descriptor: int) -> None:
        if self._owner is not None:
            os.fchown(descriptor, *self._owner)

    def _ids(self, member: tarfile.TarInfo) -> tuple[int, int] | None:
        if self._users is None:
            return self._owner
        if not (0 <= member.uid < USERS and 0 <= member.gid < USERS):
            raise ValueError(f"a layer gives {member.name!r} to the user {member.uid}; only {USERS} users can be shown")
        return self._users + member.uid, self._users + member.gid


def _parts(name: str) -> tuple[str, ...]:
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts or "\0" in name:
        raise ValueError(f"the member {name!r} of a layer leaves the image")
    return parts


def _make_room(parent: int, name: str) -> None:
    """A later member of the same name wins, as with tar."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
