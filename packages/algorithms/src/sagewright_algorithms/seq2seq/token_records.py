"""Pairs of token sequences in RecordIO: ``features["source"]`` and ``features["target"]``, int32 tensors (DG:seq-2-seq).

The usual record (both tensors packed, nothing else) is taken apart without the general reader, and the numbers of all records
are decoded at once; everything else goes to the general reader.
"""

from __future__ import annotations

from array import array

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.matrix import Integers
from sagewright_algorithms.common.sequences import Sequences, starts_of
from sagewright_algorithms.recordio import MalformedRecordError, Record, Tensor, decode, encode, frame, frames

_SOURCE, _TARGET = "source", "target"
# Tag and length of a map entry; its key; then tags and lengths of value, tensor and packed numbers.
_ENTRY, _VALUE, _INT32, _PACKED = 0x0A, 0x12, 0x3A, 0x0A
_KEYS = {b"\x0a\x06source": _SOURCE, b"\x0a\x06target": _TARGET}
_KEY_LENGTH = 8


def read(content: bytes, target: bool = True) -> dict[str, Sequences]:
    """By name, "source" and (when ``target``) "target". Raises MalformedRecordError."""
    packed: dict[str, list[bytes]] = {_SOURCE: [], _TARGET: []}
    for payload in frames(content):
        found = _taken_apart(bytes(payload))
        if found is None:
            found = _repacked(payload)
        for name in (_SOURCE, _TARGET) if target else (_SOURCE,):
            if name not in found:
                raise MalformedRecordError(f'a Record without the feature "{name}"')
            packed[name].append(found[name])
    return {name: _decoded(pieces) for name, pieces in packed.items() if target or name == _SOURCE}


def write(name: str, rows: list[list[int]]) -> bytes:
    """One record per row."""
    return encode(record(name, row) for row in rows)


def record(name: str, row: list[int]) -> Record:
    """With one feature."""
    return Record({name: Tensor(array("i", row))})


def _taken_apart(payload: bytes) -> dict[str, bytes] | None:
    """The packed numbers by name, or None when the record is not of the usual form."""
    found: dict[str, bytes] = {}
    at, end = 0, len(payload)
    while at < end:
        place, stop = _opened(payload, at, end, _ENTRY)
        name = _KEYS.get(payload[place : place + _KEY_LENGTH])
        if name is None or stop < 0:
            return None
        at, place = stop, place + _KEY_LENGTH
        inner = stop
        for tag in (_VALUE, _INT32, _PACKED):
            if place < stop and inner == stop:  # what is empty has nothing inside: a tensor without numbers may be not there
                place, inner = _opened(payload, place, stop, tag)
        if inner != stop:
            return None
        found[name] = payload[place:stop]
    return found


def _opened(payload: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Where the content of a length-delimited field starts and ends; (at, -1) when there is no such field."""
    if at + 1 >= end or payload[at] != tag:
        return at, -1
    at += 1
    length = shift = 0
    while at < end and shift < 35:
        byte = payload[at]
        at += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (at, at + length) if at + length <= end else (at, -1)
        shift += 7
    return at, -1


def _repacked(payload: memoryview) -> dict[str, bytes]:
    """Of any record, by the general reader."""
    (found,) = decode(frame(bytes(payload)))
    packed = {}
    for name in found.features.keys() & {_SOURCE, _TARGET}:
        tensor = found.features[name]
        if any(value != int(value) for value in tensor.values):
            raise MalformedRecordError(f'the feature "{name}" holds numbers that are not integers')
        again = next(frames(write(name, [[int(value) for value in tensor.values]])))
        packed[name] = (_taken_apart(bytes(again)) or {}).get(name, b"")
    return packed


def _decoded(pieces: list[bytes]) -> Sequences:
    """The varints of all pieces at once."""
    if any(piece[-1] > 0x7F for piece in pieces if piece):
        raise MalformedRecordError("a varint is cut off")
    numbers = np.frombuffer(b"".join(pieces), np.uint8)
    ends = np.flatnonzero(numbers < 0x80) + 1
    borders = starts_of(np.fromiter(map(len, pieces), np.int64, len(pieces)))
    return Sequences(_values(numbers, ends), np.searchsorted(ends, borders, "right").astype(np.int64))


def _values(numbers: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> Integers:
    """Seven bits of each byte, the lowest first. Negative numbers have ten bytes."""
    begins = np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if len(ends) else ends
    sizes, values = ends - begins, np.zeros(len(ends), np.uint64)
    if len(sizes) and sizes.max() > 10:
        raise MalformedRecordError("a varint is too long")
    for byte in range(int(sizes.max(initial=0))):
        longer = sizes > byte
        values[longer] |= (numbers[begins[longer] + byte].astype(np.uint64) & np.uint64(0x7F)) << np.uint64(7 * byte)
    return values.astype(np.int64)
