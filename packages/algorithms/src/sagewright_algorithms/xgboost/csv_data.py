"""Training rows from CSV: no header, label first, weight second when asked for; an empty cell is missing."""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator
from math import nan

import numpy as np

from sagewright_algorithms.numbers import parse
from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.examples import DenseExamples

_BLOCK = 4 << 20
_DELIMITERS = (b",", b";", b"\t", b"|", b" ")


def delimiter_of(content: bytes) -> bytes:
    """The delimiter of the first line; "," when there is only one column."""
    line = content[: content.find(b"\n")] if b"\n" in content else content
    return next((mark for mark in _DELIMITERS if mark in line.strip()), b",")


def read(content: bytes, name: str, weighted: bool) -> DenseExamples:
    """Raises UserError when ``content`` is not such a table. Reads in blocks, so that the text is not held twice as cells."""
    delimiter = delimiter_of(content)
    _check_first_line(content, name, delimiter)
    values, widths = array("f"), set()
    for block in _blocks(content):
        widths |= _read_block(block, delimiter, values)
    if len(widths) > 1:
        raise UserError(f"Failed to load csv data with exception:\nrows of different lengths in {name}: {sorted(widths)}")
    return _split(np.frombuffer(values, np.float32).reshape(-1, widths.pop() if widths else 1), weighted)


def _split(table: np.ndarray[tuple[int, int], np.dtype[np.float32]], weighted: bool) -> DenseExamples:
    first = 2 if weighted else 1
    if table.shape[1] <= first or np.isnan(table[:, 0]).any():
        raise UserError("Got input data without labels. Please check the input data set.")
    features = np.ascontiguousarray(table[:, first:])
    return DenseExamples(features, table[:, 0].copy(), table[:, 1].copy() if weighted else None)


def _blocks(content: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(content):
        end = content.find(b"\n", start + _BLOCK) + 1 or len(content)
        yield content[start:end]
        start = end


def _read_block(block: bytes, delimiter: bytes, values: array[float]) -> set[int]:
    """Appends the block's numbers; the set of row lengths."""
    lines = [line for line in block.replace(b"\r\n", b"\n").split(b"\n") if line.strip()]
    if not lines:
        return set()
    widths = {line.count(delimiter) + 1 for line in lines}
    try:
        values.extend(parse(b",".join(lines).replace(delimiter, b",")))
        return widths
    except ValueError:  # empty cells, quotes, uncommon ways to write a number
        return _read_carefully(lines, delimiter, values)


def _read_carefully(lines: list[bytes], delimiter: bytes, values: array[float]) -> set[int]:
    try:
        text = [line.decode("utf-8-sig") for line in lines]
        widths = set()
        for cells in csv.reader(text, delimiter=delimiter.decode(), skipinitialspace=True):
            widths.add(len(cells))
            values.extend(float(cell) if cell.strip() else nan for cell in cells)
    except (ValueError, csv.Error) as error:
        raise UserError(f"Failed to load csv data with exception:\n{error}") from error
    return widths


def _check_first_line(content: bytes, name: str, delimiter: bytes) -> None:
    line = content.partition(b"\n")[0].strip()
    try:
        _read_carefully([line], delimiter, array("f"))
    except UserError as error:
        snippet = line[:50].decode("utf-8", "replace")
        raise UserError(
            f"First line '{snippet}...' of file '{name}' is not 'CSV' format. Please ensure the file is in 'CSV' format."
        ) from error
