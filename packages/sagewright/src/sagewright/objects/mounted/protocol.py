"""The kernel's side of FUSE as bytes: what a read-only file system has to understand and to answer. Pure.

Layouts and numbers are those of linux/fuse.h, version 7.31; newer kernels speak it, too.
"""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass
from typing import NamedTuple

ROOT = 1
"""The node id of a file system's root."""

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, DESTROY, BATCH_FORGET, READDIRPLUS = 26, 27, 28, 29, 36, 38, 42, 44
FLUSH = 25

MAX_READ = 1 << 20
REQUEST_BYTES = 64 * 1024
"""Nothing is written here, so a request is a name at most; the kernel asks for room for one write."""
BLOCK_BYTES = 1 << 20
"""What stat calls the best size for reading: programs size their buffers by it."""

_MAJOR, _MINOR, _OLDEST_MINOR = 7, 31, 23
_ASYNC_READ, _READDIRPLUS, _READDIRPLUS_AUTO, _PARALLEL_DIROPS, _MAX_PAGES = 1, 1 << 13, 1 << 14, 1 << 18, 1 << 22
_WANTED = _ASYNC_READ | _READDIRPLUS | _READDIRPLUS_AUTO | _PARALLEL_DIROPS | _MAX_PAGES
_KEEP_CACHE, _CACHE_DIR = 2, 8
_BACKGROUND = 64
"""Requests of read-ahead that the kernel may have open."""
_MAX_READAHEAD = 1 << 22
_MAX_WRITE = 4096

_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_INIT_IN = struct.Struct("<IIII")
_INIT_OUT = struct.Struct("<IIIIHHIIHHII24x")
_ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")
_ENTRY = struct.Struct("<QQQQII")
_ATTRIBUTES_HEAD = struct.Struct("<QII")
_OPENED = struct.Struct("<QII")
_READ = struct.Struct("<QQI")
_HANDLE = struct.Struct("<Q")
_FORGET = struct.Struct("<QQ")
_DIRENT = struct.Struct("<QQII")
_STATFS = struct.Struct("<QQQQQIIII24x")

HEAD_BYTES = _IN.size
OUT_BYTES = _OUT.size


class Request(NamedTuple):
    """One request of the kernel; ``body`` is what follows its head."""

    opcode: int
    unique: int
    node: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Attributes:
    """Of a file or folder; size in bytes, modified in epoch seconds, owner as (uid, gid)."""

    node: int
    size: int
    modified: float
    folder: bool
    owner: tuple[int, int]

    @property
    def mode(self) -> int:
        """Everybody may read, nobody may write."""
        return stat.S_IFDIR | 0o555 if self.folder else stat.S_IFREG | 0o444


def parse(data: bytes) -> Request:
    """Raises ValueError for what no kernel sends."""
    if len(data) < _IN.size:
        raise ValueError(f"a request of {len(data)} bytes")
    _, opcode, unique, node, _, _, _, _, _ = _IN.unpack_from(data)
    return Request(opcode, unique, node, data[_IN.size :])


def head(unique: int, length: int) -> bytes:
    """The beginning of a good answer with ``length`` bytes."""
    return _OUT.pack(_OUT.size + length, 0, unique)


def refusal(unique: int, number: int) -> bytes:
    """The answer with an errno."""
    return _OUT.pack(_OUT.size, -number, unique)


def accepted(body: bytes) -> bytes:
    """The answer to INIT. Raises ValueError for a kernel older than Linux 4.2."""
    major, minor, _, flags = _INIT_IN.unpack_from(body)
    if major != _MAJOR or minor < _OLDEST_MINOR:
        raise ValueError(f"the kernel speaks FUSE {major}.{minor}, and 7.{_OLDEST_MINOR} is the oldest that will do")
    return _INIT_OUT.pack(
        _MAJOR,
        min(minor, _MINOR),
        _MAX_READAHEAD,
        flags & _WANTED,
        _BACKGROUND,
        _BACKGROUND * 3 // 4,
        _MAX_WRITE,
        1,
        MAX_READ // 4096,
        0,
        0,
        0,
    )


def attributes(found: Attributes) -> bytes:
    """fuse_attr."""
    seconds, nanoseconds = _time(found.modified)
    times = (seconds, seconds, seconds, nanoseconds, nanoseconds, nanoseconds)
    uid, gid = found.owner
    return _ATTRIBUTES.pack(
        found.node, found.size, (found.size + 511) // 512, *times, found.mode, 1, uid, gid, 0, BLOCK_BYTES, 0
    )


def entry(found: Attributes, seconds: int) -> bytes:
    """The answer to LOOKUP: name and attributes hold for so long."""
    return _ENTRY.pack(found.node, 0, seconds, seconds, 0, 0) + attributes(found)


def no_entry(seconds: int) -> bytes:
    """The answer to LOOKUP of a name that is not there, which holds for so long."""
    return _ENTRY.pack(0, 0, seconds, 0, 0, 0) + bytes(_ATTRIBUTES.size)


def current(found: Attributes, seconds: int) -> bytes:
    """The answer to GETATTR."""
    return _ATTRIBUTES_HEAD.pack(seconds, 0, 0) + attributes(found)


def opened(handle: int, folder: bool) -> bytes:
    """The answer to OPEN and OPENDIR: the kernel may keep what it has of a file, for objects do not change under their ETag."""
    return _OPENED.pack(handle, _CACHE_DIR if folder else _KEEP_CACHE, 0)


def read_of(body: bytes) -> tuple[int, int, int]:
    """Handle, offset and size of READ, READDIR and READDIRPLUS."""
    handle, offset, size = _READ.unpack_from(body)
    return handle, offset, size


def handle_of(body: bytes) -> int:
    """The handle of RELEASE and RELEASEDIR; of INTERRUPT, the request's unique number."""
    found: int = _HANDLE.unpack_from(body)[0]
    return found


def forgotten(request: Request) -> list[tuple[int, int]]:
    """Nodes and how many lookups of each the kernel has forgotten, of FORGET and BATCH_FORGET."""
    if request.opcode == FORGET:
        return [(request.node, handle_of(request.body))]
    return [(node, count) for node, count in _FORGET.iter_unpack(request.body[8 : 8 + 16 * _count(request.body)])]


def dirent(found: Attributes, offset: int, name: bytes) -> bytes:
    """An entry of READDIR; ``offset`` is where the next one begins."""
    padding = -(_DIRENT.size + len(name)) % 8
    return _DIRENT.pack(found.node, offset, len(name), found.mode >> 12) + name + bytes(padding)


def dirent_bytes(name: bytes, plus: bool) -> int:
    """What an entry takes of the room for an answer."""
    length = _DIRENT.size + len(name)
    return length + -length % 8 + (_ENTRY.size + _ATTRIBUTES.size if plus else 0)


def statistics() -> bytes:
    """The answer to STATFS: nothing is free, and nobody knows how much there is."""
    return _STATFS.pack(0, 0, 0, 0, 0, BLOCK_BYTES, 255, BLOCK_BYTES, 0)


def _count(body: bytes) -> int:
    return int.from_bytes(body[:4], "little")


def _time(seconds: float) -> tuple[int, int]:
    whole = max(0, int(seconds))
    return whole, min(999_999_999, max(0, int((seconds - whole) * 1e9)))
