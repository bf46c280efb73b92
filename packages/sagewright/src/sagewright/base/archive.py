"""Packs a folder into a tar.gz and unpacks one, trusting neither: model.tar.gz, output.tar.gz, sourcedir.tar.gz.

Both sides come from users. A packed folder was written by a container, so a link in it may point anywhere; an archive may
name any path, claim any size and hold any kind of member. Nothing outside the folder is ever read or written.
"""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, cast

_CHUNK = 1024 * 1024
_HEADER_LIMIT = 4 * 1024 * 1024
_LEVEL = 4
"""Between gzip's fastest and its default: models are mostly floats that hardly shrink, and a user waits for this."""


def pack(folders: Sequence[Path], file: Path) -> None:
    """Writes everything in ``folders`` to the one tar.gz ``file``, by rename; the same folders give the same bytes.

    Folders of one name become one; of other things with one name the first folder's counts.
    Member names are relative without ``./``, as in AWS's artefacts. A symbolic link is kept when it stays inside the folder
    and dropped otherwise; devices, sockets and pipes are dropped. Raises OSError.
    """
    partial = file.with_name(file.name + ".partial")
    with (
        partial.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=_LEVEL, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, path in _entries([str(folder) for folder in folders]):
            _add(tar, name, path)
    partial.replace(file)


def unpack(file: Path, folder: Path, limit_bytes: int) -> None:
    """Replaces ``folder`` by what the tar.gz ``file`` holds; on any error the folder stays as it was.

    Raises ValueError with a text for the user when the file is no tar.gz, a member is absolute, leaves the folder, is a device
    or a link out, or when more than ``limit_bytes`` would be written; OSError when the disk refuses.
    """
    partial = folder.with_name(folder.name + ".unpacking")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _extract(file, partial, limit_bytes)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _entries(folders: Sequence[str], below: str = "") -> Iterator[tuple[str, Path]]:
    """Every entry's name and path, parents first and in name order; links to folders are entries, not ways."""
    found: dict[str, list[os.DirEntry[str]]] = {}
    for folder in folders:
        for entry in os.scandir(folder):
            found.setdefault(entry.name, []).append(entry)
    for name in sorted(found):
        yield f"{below}{name}", Path(found[name][0].path)
        if found[name][0].is_dir(follow_symlinks=False):
            inside = [entry.path for entry in found[name] if entry.is_dir(follow_symlinks=False)]
            yield from _entries(inside, f"{below}{name}/")


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    found = path.lstat()
    member = tarfile.TarInfo(name)
    member.mtime = int(found.st_mtime)
    member.mode = stat.S_IMODE(found.st_mode) & 0o755
    if stat.S_ISDIR(found.st_mode):
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
    elif stat.S_ISLNK(found.st_mode):
        member.type, member.linkname = tarfile.SYMTYPE, str(path.readlink())
        if _link_stays_inside(member.name, member.linkname):
            tar.addfile(member)
    elif stat.S_ISREG(found.st_mode):
        _add_file(tar, member, path)


def _add_file(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as content:
        member.size = os.fstat(handle).st_size
        tar.addfile(member, content)


class _Guarded:
    """The unzipped archive as tarfile reads it: a header that asks for much memory at once is refused."""

    def __init__(self, unzipped: gzip.GzipFile) -> None:
        self._unzipped = unzipped

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER_LIMIT:
            raise ValueError("a header of the archive is too large")
        return self._unzipped.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._unzipped.seek(offset, whence)

    def tell(self) -> int:
        return self._unzipped.tell()


def _extract(file: Path, folder: Path, limit_bytes: int) -> None:
    """Links are made last, so that no file is ever written through one."""
    links: list[tuple[Path, str]] = []
    left = limit_bytes
    try:
        with gzip.open(file, "rb") as unzipped, tarfile.open(fileobj=cast("IO[bytes]", _Guarded(unzipped)), mode="r:") as tar:
            for member in tar:
                left -= member.size
                if left < 0:
                    raise ValueError(f"the archive holds more than the {limit_bytes} bytes allowed")
                _extract_member(tar, member, folder, links)
            unzipped.read(_HEADER_LIMIT)  # gzip checks its sum only at the end, which lies behind tar's padding
        for path, target in links:
            _make_room(path)
            path.symlink_to(target)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError, OverflowError) as error:
        raise ValueError("the file is not a complete gzip-compressed tar archive") from error
    except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise ValueError("the archive uses one name for a file and for a folder") from error


def _extract_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, links: list[tuple[Path, str]]) -> None:
    path = folder / _inside(member.name)
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
    elif member.issym():
        if not _link_stays_inside(member.name, member.linkname):
            raise ValueError(f"the link {member.name!r} of the archive points out of it")
        links.append((path, member.linkname))
    elif member.islnk():
        _copy(folder / _inside(member.linkname), path, member)
    elif member.isreg():
        content = tar.extractfile(member)
        if content is not None:
            _write(content, path, member)
    else:
        raise ValueError(f"the member {member.name!r} of the archive is neither a file, a folder nor a link")


def _copy(source: Path, path: Path, member: tarfile.TarInfo) -> None:
    if not source.is_file():
        raise ValueError(f"the link {member.name!r} of the archive points to a file that does not precede it")
    if source != path:
        with source.open("rb") as content:
            _write(content, path, member)


def _write(content: IO[bytes], path: Path, member: tarfile.TarInfo) -> None:
    _make_room(path)
    with path.open("xb") as target:
        shutil.copyfileobj(content, target, _CHUNK)
    path.chmod(member.mode & 0o755 | 0o644)


def _make_room(path: Path) -> None:
    """A later member of the same name wins, as with tar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)


def _inside(name: str) -> str:
    """The member's path below the folder; raises ValueError when it is none."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
        raise ValueError(f"the member {name!r} of the archive leaves the folder")
    if max((len(os.fsencode(part)) for part in path.parts), default=0) > 255 or len(name) > 2048:
        raise ValueError("the archive holds a name that is too long")
    return str(path)


def _link_stays_inside(name: str, target: str) -> bool:
    """Whether a link can only lead to something inside: steps up come first, and no more than the link is deep.

    A step up after a name could start from wherever another link leads, so it is refused even when it looks harmless.
    """
    path = PurePosixPath(target)
    ups = next((index for index, part in enumerate(path.parts) if part != ".."), len(path.parts))
    depth = len(PurePosixPath(name).parts) - 1
    return bool(target) and not path.is_absolute() and ".." not in path.parts[ups:] and ups <= depth and "\0" not in target
