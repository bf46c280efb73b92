"""Tables of plain numbers out of text. What is uncommon is left to the callers' careful readers (numbers.py)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import orjson

from sagewright_algorithms.numbers import rows

_NO_NUMBERS = (b'"', b"[", b"{", b"u", b"l")
"""How text, lists, objects, true, false and null begin in JSON, or what is in them."""

Floats = npt.NDArray[np.float32]


def plain_rows(text: bytes, missing: bool = False) -> Floats:
    """One row a line, one cell between commas: (rows, columns).

    An empty cell is NaN if cells may be ``missing``. Raises ValueError for anything but numbers, an empty line that is not the
    last, and rows of different lengths.
    """
    lines = text.strip(b"\r\n")
    if not lines:
        return np.zeros((0, 0), np.float32)
    with np.errstate(over="ignore"):  # too large for float32: infinite, as the careful readers have it
        try:
            return _table(lines)
        except ValueError:
            if not missing:
                raise
            return _table_with_gaps(lines)


def _table(lines: bytes) -> Floats:
    cells, width = rows(lines)
    return np.frombuffer(cells, np.float64).astype(np.float32).reshape(-1, width)


def _table_with_gaps(lines: bytes) -> Floats:
    """Slower: nulls are objects, and each is put in by hand."""
    if any(mark in lines for mark in _NO_NUMBERS):
        raise ValueError("not only numbers")
    listed = b"[[%b]]" % lines.replace(b"\r\n", b"\n").replace(b"\n", b"],[")
    for _ in range(2):  # of two empty cells side by side one replacement sees only the first
        listed = listed.replace(b",,", b",null,")
    found = np.array(orjson.loads(listed.replace(b"[,", b"[null,").replace(b",]", b",null]")), np.float32)
    if found.ndim != 2 or not found.shape[1]:
        raise ValueError("not a table")
    return found
