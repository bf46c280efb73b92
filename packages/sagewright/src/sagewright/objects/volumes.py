"""Where SeaweedFS keeps the bytes of an object, and reading them there: its S3 gateway would relay each of them once more.

An object is a list of chunks, each a file of its own on the volume server. A chunk is never written again: an object that changes
gets others, and the old ones are gone soon. So what a chunk gives is of the version whose list named it, or an error.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.objects.origin import Origin
from sagewright.objects.pieces import Piece, PieceParts

KNOWN = 64
"""Objects whose chunks are remembered: who reads on asks for many ranges of the same."""
_LIST_LIMIT = 4 << 20
"""Bytes of a list of chunks, some 20000; who has more is read through the gateway."""

_PLAIN = frozenset(("file_id", "fid", "offset", "size", "modified_ts_ns", "e_tag"))
"""What is said of a chunk that holds the object's bytes as they are: not compressed, encrypted, or a list of further chunks."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """``size`` bytes of an object, from byte ``offset`` on."""

    file_id: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Version:
    """What the S3 gateway said of an object just now; ``path`` is its percent-encoded path, ``size`` is in bytes."""

    path: str
    etag: str
    modified: str
    size: int


class Volumes:
    """Reads objects of the embedded server from its volumes."""

    def __init__(self, filer: Origin, volume: Origin) -> None:
        self._filer = filer
        self._volume = volume
        self._known: OrderedDict[Version, tuple[Chunk, ...]] = OrderedDict()

    async def read(self, version: Version, start: int, stop: int) -> PieceParts | None:
        """The bytes of a range of this version; None when they do not lie there as they are, or are gone.

        A part that disappears while they are read is a ConnectionError of who reads.
        """
        pieces = pieces_of(await self._chunks(version), start, stop)
        if not pieces:
            return None
        parts = PieceParts(self._volume, pieces)
        try:
            await parts.begin()
        except (ConnectionError, TimeoutError):
            self._known.pop(version, None)
            return None
        return parts

    async def close(self) -> None:
        """Closes idle connections."""
        await self._filer.close()
        await self._volume.close()

    async def _chunks(self, version: Version) -> tuple[Chunk, ...]:
        """In order; none when they are not all plain, or the object is another by now."""
        known = self._known.get(version)
        if known is None:
            known = chunks_of(await self._entry(version.path), version)
            self._known[version] = known
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        self._known.move_to_end(version)
        return known

    async def _entry(self, path: str) -> Mapping[str, Any]:
        """What the filer knows of an object, {} when it is not there, cannot be asked or has too many chunks."""
        location = f"/buckets{path}?metadata=true&resolveManifest=true"
        try:
            answer = await self._filer.exchange("GET", location, [("Host", "filer")], b"")
            document = await answer.read(_LIST_LIMIT)
            entry = json.loads(document) if answer.status == 200 else {}
        except (ConnectionError, TimeoutError, ValueError):
            return {}
        return entry if isinstance(entry, dict) else {}


def chunks_of(entry: Mapping[str, Any], version: Version) -> tuple[Chunk, ...]:
    """The chunks of the filer's entry in order, none when they are not exactly the bytes of this version."""
    listed = entry.get("chunks") or ()
    if (
        entry.get("Content")
        or entry.get("Remote")
        or _etag(entry) != version.etag.strip('"')
        or not all(map(_is_plain, listed))
    ):
        return ()
    found = (Chunk(str(chunk["file_id"]), int(chunk.get("offset", 0)), int(chunk["size"])) for chunk in listed)
    chunks = tuple(sorted(found, key=lambda chunk: chunk.offset))
    end = 0
    for chunk in chunks:
        if chunk.offset != end or chunk.size <= 0:
            return ()
        end += chunk.size
    return chunks if end == version.size == entry.get("FileSize") else ()


def pieces_of(chunks: tuple[Chunk, ...], start: int, stop: int) -> list[Piece]:
    """The parts of chunks that make up a range; none when it is not all in them."""
    pieces = [
        Piece("/" + chunk.file_id, max(0, start - chunk.offset), min(chunk.size, stop - chunk.offset), chunk.size)
        for chunk in chunks
        if chunk.offset < stop and chunk.offset + chunk.size > start
    ]
    return pieces if sum(piece.length for piece in pieces) == stop - start > 0 else []


def _is_plain(chunk: Mapping[str, Any]) -> bool:
    said = {name for name, value in chunk.items() if value}
    return {"file_id", "size"} <= said <= _PLAIN


def _etag(entry: Mapping[str, Any]) -> str:
    """The ETag that S3 shows, which the filer keeps beside the object; "" when it does not."""
    kept = (entry.get("Extended") or {}).get("Seaweed-X-Amz-ETag", "")
    try:
        return b64decode(kept).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""
