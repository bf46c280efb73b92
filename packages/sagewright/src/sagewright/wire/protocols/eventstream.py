"""AWS's event stream (``application/vnd.amazon.eventstream``): framed messages with typed headers and two checksums.

A message is ``<u32 total length><u32 header length><u32 CRC of those 8 bytes><headers><payload><u32 CRC of all before>``, big-endian.
InvokeEndpointWithResponseStream answers with PayloadPart events and, when the model breaks down midway, an exception.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from zlib import crc32

import orjson

from sagewright.wire.documents import malformed

CONTENT_TYPE = "application/vnd.amazon.eventstream"
LARGEST_MESSAGE = 16 * 1024 * 1024

_PRELUDE = struct.Struct(">III")
_U32 = struct.Struct(">I")
_STRING = 7
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Sizes of header values by type: true, false, byte, short, int, long, timestamp, uuid. Types 6 and 7 carry their length."""


class Message(NamedTuple):
    """A decoded message; header values other than strings are given as their raw bytes."""

    headers: dict[str, str | bytes]
    payload: bytes


def encode_event(name: str, payload: bytes, content_type: str = "application/octet-stream") -> bytes:
    """One event, ready to send: ``encode_event("PayloadPart", part)``."""
    return encode({":message-type": "event", ":event-type": name, ":content-type": content_type}, payload)


def encode_exception(name: str, fields: Mapping[str, Any]) -> bytes:
    """The modelled exception that ends a stream: ``encode_exception("ModelStreamError", {"Message": .., "ErrorCode": ..})``."""
    headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
    return encode(headers, orjson.dumps(fields))


def event(document: Mapping[str, Any]) -> bytes:
    """One event given as a document with one member, as botocore gives it: ``{"PayloadPart": {"Bytes": b".."}}``."""
    ((name, content),) = document.items()
    if set(content) == {"Bytes"} and isinstance(content["Bytes"], bytes):
        return encode_event(name, content["Bytes"])
    return encode_event(name, orjson.dumps(content), "application/json")


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message with string headers. Raises ValueError when it would be larger than LARGEST_MESSAGE."""
    block = b"".join(_header(name, value) for name, value in headers.items())
    total = _PRELUDE.size + len(block) + len(payload) + _U32.size
    if total > LARGEST_MESSAGE:
        raise ValueError(f"an event of {total} bytes is too large")
    lengths = struct.pack(">II", total, len(block))
    message = b"".join((lengths, _U32.pack(crc32(lengths)), block, payload))
    return message + _U32.pack(crc32(message))


class Decoder:
    """Takes bytes as they arrive and gives whole messages; raises a SerializationException when the stream is corrupt."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that ``data`` completes."""
        self._buffer += data
        while len(self._buffer) >= _PRELUDE.size:
            total, headers, checksum = _PRELUDE.unpack_from(self._buffer)
            if crc32(self._buffer[:8]) != checksum or total > LARGEST_MESSAGE or total < _PRELUDE.size + headers + _U32.size:
                raise malformed("The event stream is corrupt")
            if len(self._buffer) < total:
                return
            message = bytes(self._buffer[:total])
            del self._buffer[:total]
            yield _decode(message, headers)


def _decode(message: bytes, header_length: int) -> Message:
    if crc32(message[:-4]) != _U32.unpack_from(message, len(message) - 4)[0]:
        raise malformed("The event stream is corrupt")
    end = _PRELUDE.size + header_length
    return Message(dict(_headers(message[_PRELUDE.size : end])), message[end:-4])


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack(">B", len(key)) + key + struct.pack(">BH", _STRING, len(text)) + text


def _headers(block: bytes) -> Iterator[tuple[str, str | bytes]]:
    at = 0
    try:
        while at < len(block):
            name, at = block[at + 1 : at + 1 + block[at]].decode(), at + 1 + block[at]
            kind, at = block[at], at + 1
            length = _FIXED.get(kind)
            if length is None:
                (length,), at = struct.unpack_from(">H", block, at), at + 2
            value, at = block[at : at + length], at + length
            yield name, value.decode() if kind == _STRING else value
    except (IndexError, struct.error, UnicodeDecodeError):
        raise malformed("The event stream is corrupt") from None
