"""Predictions as a response body: JSON, JSON Lines, RecordIO protobuf or CSV."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from sagewright_algorithms.common.requests import CSV, JSON, JSON_LINES
from sagewright_algorithms.recordio import Record, Tensor, encode

Columns = Mapping[str, npt.NDArray[Any]]
"""By key of the answer: one value per row, or one vector per row."""

_NUMBERS = "biuf"
"""NumPy's kinds of data types whose JSON holds no quotes."""


def write(columns: Columns, accept: str, top: str) -> bytes:
    """``accept`` is one of the four content types, ``top`` the member that holds the list in JSON."""
    if accept == JSON:
        return orjson.dumps({top: _documents(columns)})
    if accept == JSON_LINES:
        return _lines(columns)
    if accept == CSV:
        table = np.column_stack([column.astype(float) for column in columns.values()])
        return "".join(",".join(map(repr, row)) + "\n" for row in table.tolist()).encode()
    return encode(Record(label={key: _tensor(value) for key, value in row.items()}) for row in _documents(columns))


def sliced(columns: Columns, start: int, end: int) -> Columns:
    """The rows from ``start`` to ``end``."""
    return {key: column[start:end] for key, column in columns.items()}


def _documents(columns: Columns) -> list[dict[str, Any]]:
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*(column.tolist() for column in columns.values()), strict=True)]


def _lines(columns: Columns) -> bytes:
    """orjson writes a thousand small documents at once in the time that it takes for twenty one by one.

    Where no value is text, nothing but the ends of two documents looks like what is cut.
    """
    if all(column.dtype.kind in _NUMBERS and column.ndim == 1 for column in columns.values()):
        return _lines_of_numbers(columns)
    documents = _documents(columns)
    if documents and all(column.dtype.kind in _NUMBERS for column in columns.values()):
        return orjson.dumps(documents)[1:-1].replace(b"},{", b"}\n{") + b"\n"
    return b"".join(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE) for document in documents)


def _lines_of_numbers(columns: Columns) -> bytes:
    """The same text, column by column: a third of the time, because no document is made."""
    names = [orjson.dumps(name).replace(b"%", b"%%") for name in columns]
    line = b"{%b}\n" % b",".join(name + b":%b" for name in names)
    values = [orjson.dumps(column.tolist())[1:-1].split(b",") for column in columns.values()]
    return b"".join(map(line.__mod__, zip(*values, strict=True))) if len(values[0][0]) else b""


def _tensor(value: Any) -> Tensor:
    return Tensor(array("f", value if isinstance(value, list) else [value]))
