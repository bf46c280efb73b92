"""Training rows from CSV: no header, label first, weight second when asked for; an empty cell is missing."""

from __future__ import annotations

import csv
from math import nan

import numpy as np

from sagewright_algorithms.common.forked_reading import read_parts
from sagewright_algorithms.common.plain_rows import plain_rows
from sagewright_algorithms.numbers import blocks
from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.examples import DenseExamples, Floats

_DELIMITERS = (b",", b";", b"\t", b"|", b" ")


def delimiter_of(content: bytes) -> bytes:
    """The delimiter of the first line; "," when there is only one column."""
    line = content[: content.find(b"\n")] if b"\n" in content else content
    return next((mark for mark in _DELIMITERS if mark in line.strip()), b",")


def read(content: bytes, name: str, weighted: bool) -> DenseExamples:
    """Raises UserError when ``content`` is not such a table. Reads in blocks, so that the text is not held twice as cells."""
    delimiter = delimiter_of(content)
    _check_first_line(content, name, delimiter)
    tables = read_parts(content, lambda part: _read_part(part, delimiter, name))
    return _split(_filled(tables, name), weighted)


def _read_part(part: bytes, delimiter: bytes, name: str) -> Floats:
    tables = _filled([_read_block(block, delimiter, name) for block in blocks(part)], name)
    return np.concatenate(tables) if tables else np.zeros((0, 0), np.float32)


def _filled(tables: list[Floats], name: str) -> list[Floats]:
    """Those with rows in them, all equally wide."""
    filled = [table for table in tables if table.size]
    _check_widths({table.shape[1] for table in filled}, name)
    return filled


def _split(tables: list[Floats], weighted: bool) -> DenseExamples:
    first = 2 if weighted else 1
    if not tables or tables[0].shape[1] <= first or any(np.isnan(table[:, 0]).any() for table in tables):
        raise UserError("Got input data without labels. Please check the input data set.")
    labels, weights, features = (
        np.concatenate([table[:, columns] for table in tables]) for columns in (0, 1, slice(first, None))
    )
    return DenseExamples(features, labels, weights if weighted else None)


def _read_block(block: bytes, delimiter: bytes, name: str) -> Floats:
    try:
        return plain_rows(block.replace(delimiter, b","), missing=True)
    except ValueError:  # blank lines, quotes, uncommon ways to write a number; or truly wrong
        lines = [line for line in block.replace(b"\r\n", b"\n").split(b"\n") if line.strip()]
        return _read_carefully(lines, delimiter, name)


def _read_carefully(lines: list[bytes], delimiter: bytes, name: str) -> Floats:
    try:
        text = [line.decode("utf-8-sig") for line in lines]
        rows = [
            [float(cell) if cell.strip() else nan for cell in cells]
            for cells in csv.reader(text, delimiter=delimiter.decode(), skipinitialspace=True)
        ]
    except (ValueError, csv.Error) as error:
        raise UserError(f"Failed to load csv data with exception:\n{error}") from error
    _check_widths({len(row) for row in rows}, name)
    with np.errstate(over="ignore"):
        return np.array(rows, np.float32)


def _check_widths(widths: set[int], name: str) -> None:
    if len(widths) > 1:
        raise UserError(f"Failed to load csv data with exception:\nrows of different lengths in {name}: {sorted(widths)}")


def _check_first_line(content: bytes, name: str, delimiter: bytes) -> None:
    line = content.partition(b"\n")[0].strip()
    try:
        _read_carefully([line], delimiter, name)
    except UserError as error:
        snippet = line[:50].decode("utf-8", "replace")
        raise UserError(
            f"First line '{snippet}...' of file '{name}' is not 'CSV' format. Please ensure the file is in 'CSV' format."
        ) from error
