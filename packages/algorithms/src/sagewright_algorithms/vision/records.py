"""MXNet's image records: RecordIO frames with a label, an id and an encoded image each (``.rec``, application/x-recordio).

A frame is u32 magic, u32 (3 bits part, 29 bits length), payload, zero padding to four bytes; a payload in which the magic stands
on a multiple of four is cut there into parts (1 first, 2 middle, 3 last; 0 is whole). The payload begins with u32 flag, f32
label, u64 id, u64 id2; a flag greater than 0 says that so many f32 labels follow and replace the one before.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.recordio import MAGIC, MalformedRecordError

_FRAME, _HEADER = struct.Struct("<II"), struct.Struct("<IfQQ")
HEAD = _FRAME.size
"""Bytes of a frame before its payload."""
_LENGTH_BITS = 29
_WHOLE, _FIRST, _LAST = 0, 1, 3
_MAGIC = struct.pack("<I", MAGIC)

Buffer = bytes | memoryview
Place = tuple[tuple[int, int], ...]
"""Start and end of each part of a record."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """``label`` has one value, or as many as the record's flag says; ``image`` is encoded."""

    label: Floats
    identity: int
    image: bytes


def places(content: Buffer) -> list[Place]:
    """Where the records of a RecordIO stream lie. Raises MalformedRecordError."""
    found: list[Place] = []
    parts: list[tuple[int, int]] = []
    at, end = 0, len(content)
    while at < end:
        if at + _FRAME.size > end:
            raise MalformedRecordError("the last frame is cut off")
        magic, head = _FRAME.unpack_from(content, at)
        if magic != MAGIC:
            raise MalformedRecordError(f"not RecordIO: magic number {magic:#x} at byte {at}")
        part, length = head >> _LENGTH_BITS, head & (1 << _LENGTH_BITS) - 1
        start = at + _FRAME.size
        if start + length > end:
            raise MalformedRecordError("the last frame is cut off")
        if (part in (_WHOLE, _FIRST)) == bool(parts):
            raise MalformedRecordError(f"a part of a record is missing at byte {at}")
        parts.append((start, start + length))
        if part in (_WHOLE, _LAST):
            found.append(tuple(parts))
            parts = []
        at = start + (length + 3) // 4 * 4
    if parts:
        raise MalformedRecordError("the last record is cut off")
    return found


def payload(content: Buffer, place: Place) -> bytes:
    """One record's payload in one piece."""
    return _MAGIC.join(bytes(content[start:end]) for start, end in place)


def unpack(content: bytes) -> ImageRecord:
    """The parts of a payload. Raises MalformedRecordError."""
    if len(content) < _HEADER.size:
        raise MalformedRecordError("a record is shorter than its header")
    flag, label, identity, _ = _HEADER.unpack_from(content)
    if not flag:
        return ImageRecord(np.array([label], np.float32), identity, content[_HEADER.size :])
    start = _HEADER.size + 4 * flag
    if start > len(content):
        raise MalformedRecordError(f"a record is shorter than its {flag} labels")
    return ImageRecord(np.frombuffer(content, "<f4", flag, _HEADER.size).astype(np.float32), identity, content[start:])


def pack(record: ImageRecord) -> bytes:
    """One record as a frame, as MXNet's im2rec writes it (a single label stands in the header)."""
    labels = record.label.astype("<f4")
    if len(labels) == 1:
        head = _HEADER.pack(0, float(labels[0]), record.identity, 0)
    else:
        head = _HEADER.pack(len(labels), 0.0, record.identity, 0) + labels.tobytes()
    return frame(head + record.image)


def frame(content: bytes) -> bytes:
    """A payload as one RecordIO frame, or as several where it holds the magic number."""
    cuts = _cuts(content)
    if len(cuts) == 1:
        return _part(_WHOLE, content)
    last = len(cuts) - 1
    kinds = [_FIRST, *[2] * (last - 1), _LAST]
    return b"".join(_part(kind, content[start:end]) for kind, (start, end) in zip(kinds, cuts, strict=True))


def _cuts(content: bytes) -> Sequence[tuple[int, int]]:
    cuts, start, at = [], 0, content.find(_MAGIC)
    while at >= 0:
        if at % 4 == 0:
            cuts.append((start, at))
            start = at + 4
        at = content.find(_MAGIC, at + (4 if at % 4 == 0 else 1))
    return [*cuts, (start, len(content))]


def _part(kind: int, content: bytes) -> bytes:
    return _FRAME.pack(MAGIC, kind << _LENGTH_BITS | len(content)) + content + bytes(-len(content) % 4)
