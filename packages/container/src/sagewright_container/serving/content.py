"""Payloads as NumPy arrays and back: .npy, .npz, JSON and CSV (what AWS's inference toolkit decodes by default)."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import numpy.typing as npt

JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"
TEXT_TYPES = (JSON, CSV, "text/libsvm", "text/x-libsvm")
"""A user's functions get these as str, everything else as bytes."""

Array = npt.NDArray[Any]


class UnsupportedFormatError(Exception):
    """No default for this type: 415 for a request, 406 for an answer."""

    def __init__(self, content_type: str) -> None:
        super().__init__(f"Content type {content_type or '(none)'} is not supported by this framework.")


def media_type(header: str) -> str:
    """``text/csv`` of ``text/csv; charset=utf-8``."""
    return header.partition(";")[0].strip().lower()


def decode(body: str | bytes, content_type: str) -> Array:
    """Raises UnsupportedFormatError for another type, ValueError for a payload that is not of its type."""
    kind = media_type(content_type)
    if kind == JSON:
        return np.array(json.loads(body))
    if kind == CSV:
        return _decode_csv(_text(body))
    if kind in (NPY, NPZ):
        raw = body.encode("latin-1") if isinstance(body, str) else body
        loaded = np.load(io.BytesIO(raw), allow_pickle=False)  # a caller's pickle would run code
        return np.asarray(loaded if kind == NPY else loaded[loaded.files[0]])
    raise UnsupportedFormatError(content_type)


def encode(value: Any, accept: str) -> bytes:
    """``value``: an array, a number, or for JSON anything of these. Raises UnsupportedFormatError."""
    kind = media_type(accept)
    if kind == JSON:
        return json.dumps(value, default=_plain).encode()
    if kind == CSV:
        stream = io.StringIO()
        table = np.asarray(value)
        np.savetxt(stream, table.reshape(-1) if table.ndim == 0 else table, delimiter=",", fmt="%s")
        return stream.getvalue().encode()
    if kind == NPY:
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(value), allow_pickle=False)
        return buffer.getvalue()
    raise UnsupportedFormatError(accept)


def _decode_csv(text: str) -> Array:
    """Always two-dimensional, so that one row is one example; numbers when all cells are (an empty one is NaN), else text."""
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if len({len(row) for row in rows}) > 1:
        raise ValueError("CSV rows of different lengths")
    try:
        return np.array([[float(cell) if cell.strip() else float("nan") for cell in row] for row in rows])
    except ValueError:
        return np.array(rows, dtype=object)


def _text(body: str | bytes) -> str:
    return body if isinstance(body, str) else body.decode("utf-8")


def _plain(value: Any) -> Any:
    """Arrays and array scalars for the JSON encoder."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON serializable")
