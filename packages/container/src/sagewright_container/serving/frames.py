"""Frames: many requests at once over one Unix socket (the worker's side; docs/architecture.md has the format).

``<u32 length><u32 id><u16 header length><header: JSON><body>``, little-endian; ``length`` counts everything after the id.
An answer carries the id of its question.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sagewright_container.serving.message import Request, Response

MAXIMUM_LENGTH = 256 << 20
_LARGE = 64 << 10
_PREFIX = struct.Struct("<IIH")
_encode = json.JSONEncoder(separators=(",", ":")).encode


class MalformedFrameError(ValueError):
    """The peer does not speak this format: close the connection."""


@dataclass(frozen=True)
class Frame:
    """``header`` is a JSON object."""

    id: int
    header: dict[str, Any]
    body: bytes


def pack(id_: int, header: dict[str, Any], body: bytes) -> bytes:
    """The bytes of one frame."""
    return _pack(id_, _encode(header).encode(), body)


def unpack(buffer: bytearray) -> Iterator[Frame]:
    """Takes every complete frame off the front of ``buffer``. Raises MalformedFrameError."""
    taken = 0
    try:
        while len(buffer) - taken >= _PREFIX.size:
            length, id_, header_length = _PREFIX.unpack_from(buffer, taken)
            if length > MAXIMUM_LENGTH or header_length + 2 > length:
                raise MalformedFrameError(f"frame of {length} bytes with a header of {header_length}")
            end = taken + 8 + length
            if len(buffer) < end:
                break
            start = taken + _PREFIX.size
            header = _header(bytes(buffer[start : start + header_length]))
            body = _copy(buffer, start + header_length, end)
            taken = end
            yield Frame(id_, header, body)
    finally:
        del buffer[:taken]


class Coming:
    """A large frame on its way. Its pieces are joined once, at its end: a buffer that grows by pieces is copied again and again."""

    def __init__(self, id_: int, header: dict[str, Any], body: bytes, missing: int) -> None:
        self.missing = missing
        self._id = id_
        self._header = header
        self._pieces = [body]

    @classmethod
    def of(cls, buffer: bytearray) -> Coming | None:
        """Takes the beginning of a large frame off a buffer that holds nothing else. Raises MalformedFrameError."""
        if len(buffer) < _PREFIX.size:
            return None
        length, id_, header_length = _PREFIX.unpack_from(buffer)
        start, missing = _PREFIX.size + header_length, 8 + length - len(buffer)
        if missing < _LARGE or len(buffer) < start:
            return None
        coming = cls(id_, _header(bytes(buffer[_PREFIX.size : start])), bytes(buffer[start:]), missing)
        buffer.clear()
        return coming

    def take(self, data: bytes) -> bytes:
        """What is behind the frame, if ``data`` completes it."""
        self._pieces.append(data if len(data) <= self.missing else data[: self.missing])
        behind = data[self.missing :]
        self.missing = max(0, self.missing - len(data))
        return behind

    def frame(self) -> Frame:
        """When nothing is missing."""
        return Frame(self._id, self._header, b"".join(self._pieces))


def request(frame: Frame) -> Request:
    """The inference request in a frame."""
    get = frame.header.get
    return Request(
        frame.body,
        str(get("content_type") or ""),
        str(get("accept") or ""),
        str(get("custom_attributes") or ""),
        str(get("inference_id") or ""),
        str(get("model") or ""),
        str(get("op") or ""),
    )


def answer(id_: int, response: Response, more: bool = False) -> bytes:
    """The frame that answers question ``id_``; ``more``: the body follows in frames of its own (a worker to its parent only)."""
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    return _pack(id_, _answer_header(response.status, response.content_type, response.custom_attributes, more), body)


def _copy(buffer: bytearray, start: int, end: int) -> bytes:
    """In one step where that is worth a view: a slice of a bytearray is a copy already."""
    if end - start < _LARGE:
        return bytes(buffer[start:end])
    with memoryview(buffer) as view:
        return bytes(view[start:end])


def _pack(id_: int, text: bytes, body: bytes) -> bytes:
    return _PREFIX.pack(2 + len(text) + len(body), id_, len(text)) + text + body


@lru_cache(maxsize=64)
def _answer_header(status: int, content_type: str, custom_attributes: str, more: bool) -> bytes:
    """Cached because a model's answers differ in little but their body; writing JSON costs as much as reading a row."""
    header: dict[str, object] = {"status": status, "content_type": content_type}
    if custom_attributes:
        header["custom_attributes"] = custom_attributes
    if more:
        header["more"] = True
    return _encode(header).encode()


@lru_cache(maxsize=64)
def _header(text: bytes) -> dict[str, Any]:
    """Cached as well; nobody changes a frame's header."""
    try:
        header = json.loads(text)
    except ValueError as error:
        raise MalformedFrameError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise MalformedFrameError("the header is not an object")
    return header
