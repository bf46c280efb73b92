"""Cuts an input file into records and packs records into payloads, reading it piece by piece (API TransformInput.SplitType).

Memory holds one payload, whatever the size of the file.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import IO

RECORDIO_MAGIC = 0xCED7230A
"""MXNet's RecordIO, which SageMaker's protobuf recordIO uses: magic, length in 29 bits, payload padded to four bytes."""

_LINE_END = b"\r\n"
_EMPTY_LINE = re.compile(rb"\n\n")
"""A third of the time of ``in``: 2 instead of 6 ms for a payload."""
_TWO = struct.Struct("<II")
_LENGTH_BITS = (1 << 29) - 1
_TFRECORD_HEAD = struct.Struct("<QI")
_TFRECORD_CHECKSUM = 4


class BadInput(ValueError):
    """The file is not what SplitType says, or a record is larger than a payload may be; the text is for the user."""


def payloads(file: IO[bytes], split: str, *, many: bool, limit: int) -> Iterator[list[bytes]]:
    """The records of each payload: one, or with ``many`` as many as fit into ``limit`` bytes (0: no limit). Raises BadInput."""
    batch: list[bytes] = []
    size = 0
    for record in records(file, split, limit):
        separator = 1 if split == "Line" else 0
        if batch and (not many or (limit and size + len(record) + separator > limit)):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record) + separator
    if batch:
        yield batch


def line_payloads(file: IO[bytes], limit: int, piece: int = 0) -> Iterator[list[bytes]]:
    """What ``payloads`` would make of lines, many at a time, each payload in one piece: for whoever needs no single record.

    ``limit`` is positive. A payload is read, cut at its last line and sent; nothing looks at the lines in it. With ``piece`` payloads
    have at most that size, and only those that begin with a longer line more. Raises BadInput.
    """
    content = bytearray(limit + len(_LINE_END))  # one piece of memory for all payloads: each is copied out of it once
    filled, piece = 0, min(piece or limit, limit)
    while True:
        filled = _fill(file, content, filled, piece + len(_LINE_END))
        if not filled:
            return
        end = _last_line(content, filled, piece)
        if end > piece:  # a line that is longer than that: it may still fit into a payload
            filled = _fill(file, content, filled, len(content))
            end = _last_line(content, filled, limit)
        body = _without_empty_lines(content, end)
        content[: filled - end] = content[end:filled]
        filled -= end
        if body:
            yield [_checked(body, limit)]


def _fill(file: IO[bytes], content: bytearray, filled: int, room: int) -> int:
    """Reads until ``room`` bytes of the buffer are full or the file has ended; how much of it is filled then."""
    with memoryview(content) as view:
        while filled < room and (count := file.readinto(view[filled:room])):  # type: ignore[attr-defined]
            filled += count
    return filled


def _last_line(content: bytearray, filled: int, limit: int) -> int:
    """Where the lines end that fit into a payload: a line that is larger than one ends wherever it is cut."""
    if filled <= limit:
        return filled
    return content.rfind(b"\n", 0, limit) + 1 or content.find(b"\n", limit, filled) + 1 or filled


def _without_empty_lines(content: bytearray, end: int) -> bytes:
    """The lines before ``end`` with single newlines between them, none at the end."""
    start = 0
    while start < end and content[start] in _LINE_END:
        start += 1
    while end > start and content[end - 1] in _LINE_END:
        end -= 1
    with memoryview(content) as view:
        lines = bytes(view[start:end])
    if b"\r" in lines:
        lines = lines.replace(_LINE_END, b"\n")
    if _EMPTY_LINE.search(lines) is None:
        return lines
    return b"\n".join(line for line in lines.split(b"\n") if line)


def join(batch: list[bytes], split: str) -> bytes:
    """The body of a payload: lines keep their separators, framed records their frames."""
    return b"\n".join(batch) if split == "Line" else b"".join(batch)


def records(file: IO[bytes], split: str, limit: int) -> Iterator[bytes]:
    """The records one by one; ``limit`` is the largest one's size in bytes (0: any). Raises BadInput."""
    match split:
        case "Line":
            yield from _lines(file, limit)
        case "RecordIO":
            yield from _recordio(file, limit)
        case "TFRecord":
            yield from _tfrecord(file, limit)
        case _:
            yield _checked(file.read(limit + 1 if limit else -1), limit)


def _lines(file: IO[bytes], limit: int) -> Iterator[bytes]:
    """Without their ends; empty lines are no records."""
    while True:
        line = file.readline(limit + 2 if limit else -1)
        if not line:
            return
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if line:
            yield _checked(line, limit)


def _recordio(file: IO[bytes], limit: int) -> Iterator[bytes]:
    """Whole records with their frames; one may consist of several parts."""
    parts: list[bytes] = []
    while True:
        head = file.read(_TWO.size)
        if not head and not parts:
            return
        if len(head) < _TWO.size:
            raise BadInput("the file ends inside a RecordIO record")
        magic, word = _TWO.unpack(head)
        if magic != RECORDIO_MAGIC:
            raise BadInput("the file is not in RecordIO format")
        parts.append(head + _exactly(file, ((word & _LENGTH_BITS) + 3) & ~3, limit))
        if word >> 29 in (0, 3):  # a whole record, or the last part of one
            yield _checked(b"".join(parts), limit)
            parts = []


def _tfrecord(file: IO[bytes], limit: int) -> Iterator[bytes]:
    """Whole records with length and checksums, which are the model's to check."""
    while head := file.read(_TFRECORD_HEAD.size):
        if len(head) < _TFRECORD_HEAD.size:
            raise BadInput("the file ends inside a TFRecord record")
        length, _ = _TFRECORD_HEAD.unpack(head)
        yield _checked(head + _exactly(file, length + _TFRECORD_CHECKSUM, limit), limit)


def _exactly(file: IO[bytes], size: int, limit: int) -> bytes:
    if limit and size > limit:
        raise _too_large(limit)
    data = file.read(size)
    if len(data) < size:
        raise BadInput("the file ends inside a record")
    return data


def _checked(record: bytes, limit: int) -> bytes:
    if limit and len(record) > limit:
        raise _too_large(limit)
    return record


def _too_large(limit: int) -> BadInput:
    return BadInput(f"Too much data for max payload size: a record is larger than {limit} bytes")
