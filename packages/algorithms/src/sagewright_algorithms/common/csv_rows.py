"""CSV of numbers, without a header, as this family reads it: in training and in requests."""

from __future__ import annotations

import csv
from array import array

import numpy as np

from sagewright_algorithms.common.forked_reading import read_parts
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.common.plain_rows import plain_rows
from sagewright_algorithms.numbers import blocks

_BLOCK = 1000


class MalformedCsvError(ValueError):
    """``first`` and ``last`` are the rows (from 1) of the block that holds the culprit."""

    def __init__(self, text: str, first: int, last: int) -> None:
        super().__init__(text)
        self.first = first
        self.last = last


def read(content: bytes) -> Floats:
    """One row of numbers per line that is not blank; all rows equally long. Raises MalformedCsvError."""
    try:
        return _joined(read_parts(content, _read_plain))
    except ValueError:  # blank lines, quotes, uncommon ways to write a number; or truly wrong
        return _read_carefully(content)


def _read_plain(part: bytes) -> Floats:
    return _joined([plain_rows(block) for block in blocks(part)])


def _joined(tables: list[Floats]) -> Floats:
    filled = [table for table in tables if table.size]
    return np.concatenate(filled) if filled else np.zeros((0, 0), np.float32)


def _read_carefully(content: bytes) -> Floats:
    lines = [line for line in content.replace(b"\r\n", b"\n").split(b"\n") if line.strip()]
    values, width = array("f"), lines[0].count(b",") + 1 if lines else 0
    for start in range(0, len(lines), _BLOCK):
        block = lines[start : start + _BLOCK]
        try:
            values.extend(_block(block, width))
        except (ValueError, csv.Error) as error:
            raise MalformedCsvError(str(error), start + 1, start + len(block)) from error
    return np.frombuffer(values, np.float32).reshape(-1, width) if lines else np.zeros((0, 0), np.float32)


def _block(lines: list[bytes], width: int) -> list[float]:
    for line in lines:
        if line.count(b",") + 1 != width:
            raise ValueError(f"rows of different lengths: {line.count(b',') + 1} and {width}")
    text = [line.decode("utf-8-sig") for line in lines]
    return [float(cell) for cells in csv.reader(text, skipinitialspace=True) for cell in cells]
