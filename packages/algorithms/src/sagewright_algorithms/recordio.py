"""RecordIO frames around ``aialgs.data.Record`` protobuf messages, written by hand: no protobuf runtime is needed.

A frame is u32 0xCED7230A, u32 length, payload, zero padding to four bytes (DG:cdf-training). A Record has two maps,
``features`` (1) and ``label`` (2), from a name to a Value; a Value holds one tensor: Float32Tensor (2), Float64Tensor (3) or
Int32Tensor (7), each with ``values`` (1, packed), ``keys`` (2, packed u64: the tensor is sparse) and ``shape`` (3, packed u64).
Tested byte for byte against the messages that the SageMaker SDK writes.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

MAGIC = 0xCED7230A
_FRAME = struct.Struct("<II")
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FLOAT32, _FLOAT64, _INT32 = 2, 3, 7
_UNSIGNED = 0xFFFFFFFFFFFFFFFF  # a negative number is written as its 64 bits


class MalformedRecordError(ValueError):
    """The bytes are not RecordIO, or a payload is not a Record."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """``keys`` (u32) is None for a dense tensor; else value i belongs at position keys[i] of a row of ``shape[0]``."""

    values: array[float] | array[int]
    keys: array[int] | None = None
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One example; the usual name of both is "values"."""

    features: Mapping[str, Tensor] = field(default_factory=dict)
    label: Mapping[str, Tensor] = field(default_factory=dict)


def frames(content: bytes | memoryview) -> Iterator[memoryview]:
    """The payloads of a RecordIO stream. Raises MalformedRecordError."""
    view, at = memoryview(content), 0
    while at < len(view):
        if at + _FRAME.size > len(view):
            raise MalformedRecordError("the last frame is cut off")
        magic, length = _FRAME.unpack_from(view, at)
        if magic != MAGIC:
            raise MalformedRecordError(f"not RecordIO: magic number {magic:#x} at byte {at}")
        start = at + _FRAME.size
        if start + length > len(view):
            raise MalformedRecordError("the last frame is cut off")
        yield view[start : start + length]
        at = start + (length + 3) // 4 * 4


def frame(payload: bytes) -> bytes:
    """One payload as a RecordIO frame."""
    return _FRAME.pack(MAGIC, len(payload)) + payload + bytes(-len(payload) % 4)


def decode(content: bytes | memoryview) -> Iterator[Record]:
    """Every Record of a RecordIO stream. Raises MalformedRecordError."""
    for payload in frames(content):
        yield _record(payload)


def encode(records: Iterable[Record]) -> bytes:
    """A RecordIO stream of Records with Float32 tensors, and Int32 tensors where the values are an ``array("i")``."""
    return b"".join(frame(_encode_record(record)) for record in records)


def _record(payload: memoryview) -> Record:
    maps: dict[int, dict[str, Tensor]] = {1: {}, 2: {}}
    for number, value in _fields(payload):
        if number in maps and isinstance(value, memoryview):
            name, tensor = _map_entry(value)
            maps[number][name] = tensor
    return Record(maps[1], maps[2])


def _map_entry(entry: memoryview) -> tuple[str, Tensor]:
    name, tensor = "", Tensor(array("f"))
    for number, value in _fields(entry):
        if number == 1 and isinstance(value, memoryview):
            name = bytes(value).decode("utf-8", "replace")
        elif number == 2 and isinstance(value, memoryview):
            tensor = _value(value)
    return name, tensor


def _value(message: memoryview) -> Tensor:
    for number, value in _fields(message):
        if number in (_FLOAT32, _FLOAT64, _INT32) and isinstance(value, memoryview):
            return _tensor(value, number)
    raise MalformedRecordError("a Value without a Float32, Float64 or Int32 tensor")


def _tensor(message: memoryview, kind: int) -> Tensor:
    values, keys, shape = array("f"), array("I"), array("Q")
    for number, value in _fields(message):
        if number == 1:
            _extend_values(values, value, kind)
        elif number in (2, 3):
            _extend_integers(keys if number == 2 else shape, value)
    if len(keys) and len(keys) != len(values):
        raise MalformedRecordError("a sparse tensor with as many keys as values is needed")
    return Tensor(values, keys if len(keys) or (len(shape) and not len(values)) else None, tuple(shape))


def _extend_values(values: array[float], value: memoryview | int, kind: int) -> None:
    """Packed (one run of bytes) or one at a time (a fixed number arrives as its raw bits)."""
    if kind == _INT32:
        numbers = _varints(value) if isinstance(value, memoryview) else [value]
        values.extend(number - (1 << 64) if number >> 63 else number for number in numbers)
        return
    code, size = ("f", 4) if kind == _FLOAT32 else ("d", 8)
    raw = bytes(value) if isinstance(value, memoryview) else value.to_bytes(size, "little")
    if len(raw) % size:
        raise MalformedRecordError("a packed tensor is cut off")
    decoded = array(code)
    decoded.frombytes(raw)
    values.extend(decoded if code == "f" else array("f", decoded))


def _extend_integers(integers: array[int], value: memoryview | int) -> None:
    try:
        integers.extend(_varints(value) if isinstance(value, memoryview) else [value])
    except OverflowError as error:
        raise MalformedRecordError("a key of a sparse tensor is too large") from error


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """(field number, payload) of a protobuf message: a view for length-delimited fields, an integer for the others."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        size, at = _varint(message, at) if wire == _LENGTH else ({_FIXED64: 8, _FIXED32: 4}.get(wire, -1), at)
        if size < 0 or at + size > len(message):
            raise MalformedRecordError("a protobuf field is cut off or of an unknown kind")
        piece = message[at : at + size]
        yield number, piece if wire == _LENGTH else int.from_bytes(piece, "little")
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _UNSIGNED, at
        shift += 7
    raise MalformedRecordError("a varint is cut off")


def _varints(message: memoryview) -> Iterator[int]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value


def _encode_record(record: Record) -> bytes:
    entries = [(1, record.features), (2, record.label)]
    return b"".join(
        _delimited(number, _encode_entry(name, tensor)) for number, named in entries for name, tensor in named.items()
    )


def _encode_entry(name: str, tensor: Tensor) -> bytes:
    whole = tensor.values.typecode == "i"
    packed = b"".join(_encode_varint(int(value) & _UNSIGNED) for value in tensor.values) if whole else tensor.values.tobytes()
    message = _delimited(1, packed)
    if tensor.keys is not None:
        message += _delimited(2, b"".join(map(_encode_varint, tensor.keys)))
    if tensor.shape:
        message += _delimited(3, b"".join(map(_encode_varint, tensor.shape)))
    return _delimited(1, name.encode()) + _delimited(2, _delimited(_INT32 if whole else _FLOAT32, message))


def _delimited(number: int, payload: bytes) -> bytes:
    return _encode_varint(number << 3 | _LENGTH) + _encode_varint(len(payload)) + payload


def _encode_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
