"""Index files as faiss writes them (faiss/impl/index_write.cpp): a model made here opens there, and the other way round."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.cursor import Cursor
from sagewright_algorithms.knn.index import CODEWORDS, Flat, Index, Lists, Metric, Quantizer

_METRICS: dict[Metric, int] = {"INNER_PRODUCT": 0, "L2": 1}
_NAMES = {number: name for name, number in _METRICS.items()}
_FLAT: dict[Metric, bytes] = {"INNER_PRODUCT": b"IxFI", "L2": b"IxF2"}
_DUMMY = 1 << 20
_NO_DIRECT_MAP = struct.pack("<bQ", 0, 0)


class MalformedIndexError(ValueError):
    """The bytes are not an index of one of the three kinds."""


def dump(index: Index) -> bytes:
    """``index`` is a Flat or a Lists."""
    if isinstance(index, Flat):
        return _FLAT[index.metric] + _header(index) + struct.pack("<Q", index.rows.size) + _bytes(index.rows, np.float32)
    if not isinstance(index, Lists):
        raise TypeError(type(index).__name__)
    head = b"IwFl" if index.quantizer is None else b"IwPQ"
    head += _header(index) + struct.pack("<QQ", len(index.centres), index.probes) + dump(Flat(index.centres, index.metric))
    head += _NO_DIRECT_MAP
    size = index.width * 4
    if index.quantizer is not None:
        parts, _, width = index.quantizer.words.shape
        size = parts
        head += struct.pack("<?QQQQQ", True, size, parts * width, parts, 8, index.quantizer.words.size)
        head += _bytes(index.quantizer.words, np.float32)
    return head + _dump_lists(index, size)


def load(content: bytes) -> Index:
    """Raises MalformedIndexError."""
    reader = _Reader(content)
    try:
        return _load(reader)
    except (struct.error, ValueError, KeyError) as error:
        raise MalformedIndexError(f"not a faiss index: {error}") from error


class _Reader(Cursor):
    """With rows of numbers."""

    def floats(self, count: int) -> npt.NDArray[np.float32]:
        return np.frombuffer(self.take(4 * count), np.float32)


def _load(reader: _Reader) -> Index:
    kind = reader.take(4)
    width, rows, metric = _load_header(reader)
    if kind in _FLAT.values():
        (count,) = reader.numbers("Q")
        if count != width * rows:
            raise ValueError("the rows of a flat index are not complete")
        return Flat(reader.floats(count).reshape(rows, width), metric)
    if kind not in (b"IwFl", b"IwPQ"):
        raise ValueError(f"kind {kind!r}")
    _, probes = reader.numbers("QQ")
    coarse = _load(reader)
    if not isinstance(coarse, Flat) or reader.numbers("bQ") != (0, 0):
        raise ValueError("inverted lists with a quantizer or a map that is not known here")
    quantizer = _load_quantizer(reader, width) if kind == b"IwPQ" else None
    return _load_lists(reader, coarse, quantizer, probes)


def _load_quantizer(reader: _Reader, width: int) -> Quantizer:
    by_residual, _, wide, parts, bits, count = reader.numbers("?QQQQQ")
    if not by_residual or wide != width or bits != 8 or parts == 0 or width % parts or count != CODEWORDS * width:
        raise ValueError("a product quantizer that is not known here")
    return Quantizer(reader.floats(count).reshape(parts, CODEWORDS, width // parts))


def _load_lists(reader: _Reader, coarse: Flat, quantizer: Quantizer | None, probes: int) -> Lists:
    magic = reader.take(4)
    number, code_size = reader.numbers("QQ")
    layout = reader.take(4)
    (count,) = reader.numbers("Q")
    sizes = np.zeros(number, np.int64)
    stored = np.frombuffer(reader.take(8 * count), np.int64)
    if magic != b"ilar" or number != coarse.size or layout not in (b"full", b"sprs"):
        raise ValueError("inverted lists that are not known here")
    if layout == b"full":
        sizes[:] = stored
    else:
        sizes[stored[0::2]] = stored[1::2]
    wanted = coarse.width * 4 if quantizer is None else quantizer.words.shape[0]
    if code_size != wanted:
        raise ValueError("codes of another size than the quantizer's")
    codes, ids = [], []
    for size in sizes.tolist():
        codes.append(np.frombuffer(reader.take(size * code_size), np.uint8).reshape(size, code_size))
        ids.append(np.frombuffer(reader.take(8 * size), np.int64))
    if quantizer is not None:
        return Lists(coarse.rows, tuple(ids), tuple(codes), quantizer, probes, coarse.metric)
    return Lists(coarse.rows, tuple(ids), tuple(code.view(np.float32) for code in codes), None, probes, coarse.metric)


def _header(index: Index) -> bytes:
    return struct.pack("<iqqq?i", index.width, index.size, _DUMMY, _DUMMY, True, _METRICS[index.metric])


def _load_header(reader: _Reader) -> tuple[int, int, Metric]:
    width, rows, _, _, _, metric = reader.numbers("iqqq?i")
    if width <= 0 or rows < 0:
        raise ValueError("a size that is none")
    return width, rows, _NAMES[metric]


def _dump_lists(index: Lists, code_size: int) -> bytes:
    sizes = np.array([len(ids) for ids in index.ids], np.uint64)
    head = b"ilar" + struct.pack("<QQ", len(sizes), code_size) + b"full" + struct.pack("<Q", len(sizes)) + sizes.tobytes()
    kind: type[np.float32 | np.uint8] = np.float32 if index.quantizer is None else np.uint8
    parts = [_bytes(index.content[number], kind) + _bytes(index.ids[number], np.int64) for number in range(len(index.centres))]
    return head + b"".join(parts)


def _bytes(values: npt.NDArray[Any], kind: type[np.generic]) -> bytes:
    return np.ascontiguousarray(values, kind).tobytes()
