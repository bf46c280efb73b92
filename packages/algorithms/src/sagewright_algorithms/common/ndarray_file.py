"""MXNet NDArray lists, the model files of this family: reader and writer in plain Python (checked against mxnet 1.9.1).

List: u64 0x112, u64 0, u64 count, arrays, u64 count of names, names (u64 length, UTF-8). Array: u32 0xF993FAC9, i32 storage (0,
dense), i32 rank, i64 shape, i32 device kind (1, CPU), i32 device, i32 type, values.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.cursor import Cursor

Array = npt.NDArray[Any]
_LIST_MAGIC = 0x112
_ARRAY_MAGIC, _ARRAY_MAGIC_V3 = 0xF993FAC9, 0xF993FACA
_TYPES: dict[int, np.dtype[Any]] = {
    number: np.dtype(name) for number, name in enumerate(("float32", "float64", "float16", "uint8", "int32", "int8", "int64"))
}
_NUMBERS = {dtype: number for number, dtype in _TYPES.items()}


class MalformedModelError(ValueError):
    """The bytes are not an NDArray list."""


def dump(arrays: Mapping[str, Array] | Sequence[Array]) -> bytes:
    """Named arrays, or arrays without names."""
    if isinstance(arrays, Mapping):
        values, names = list(arrays.values()), [name.encode() for name in arrays]
    else:
        values, names = list(arrays), []
    parts = [struct.pack("<QQQ", _LIST_MAGIC, 0, len(values)), *map(_dump_array, values)]
    parts.append(struct.pack("<Q", len(names)))
    parts += [struct.pack("<Q", len(name)) + name for name in names]
    return b"".join(parts)


def load(content: bytes) -> dict[str, Array]:
    """By name; arrays without names are called "0", "1", …. Raises MalformedModelError."""
    try:
        return _load(Cursor(content))
    except (struct.error, UnicodeDecodeError, ValueError, KeyError) as error:
        raise MalformedModelError(f"not an MXNet NDArray file: {error}") from error


def _load(cursor: Cursor) -> dict[str, Array]:
    magic, _, count = cursor.numbers("QQQ")
    if magic != _LIST_MAGIC:
        raise ValueError(f"magic number {magic:#x}")
    arrays = [_load_array(cursor) for _ in range(count)]
    (named,) = cursor.numbers("Q")
    names = [cursor.take(cursor.numbers("Q")[0]).decode() for _ in range(named)]
    return dict(zip(names or map(str, range(count)), arrays, strict=True))


def _load_array(cursor: Cursor) -> Array:
    magic, storage, rank = cursor.numbers("Iii")
    if magic not in (_ARRAY_MAGIC, _ARRAY_MAGIC_V3) or storage != 0 or not 0 <= rank <= 32:
        raise ValueError("an array that is not dense, or of an unknown version")
    shape = cursor.numbers(f"{rank}q")
    _, _, kind = cursor.numbers("iii")
    dtype = _TYPES[kind]
    if any(length < 0 for length in shape):
        raise ValueError("a shape of negative length")
    size = dtype.itemsize
    for length in shape:
        size *= length
    return np.frombuffer(cursor.take(size), dtype).reshape(shape)


def _dump_array(array: Array) -> bytes:
    head = struct.pack("<Iii", _ARRAY_MAGIC, 0, array.ndim) + struct.pack(f"<{array.ndim}q", *array.shape)
    return head + struct.pack("<iii", 1, 0, _NUMBERS[array.dtype]) + np.ascontiguousarray(array).tobytes()
