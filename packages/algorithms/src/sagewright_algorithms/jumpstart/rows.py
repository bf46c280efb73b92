"""The rows of a request to a model of tables: CSV without label and header."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.jumpstart.endpoint import UnreadableInputError
from sagewright_algorithms.numbers import numbers

# What pandas reads as missing, so that a request is read as the training data were.
_MISSING = frozenset(("", "#N/A", "#NA", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"))


@dataclass(frozen=True, slots=True)
class Rows:
    """``numbers``: (rows, width) float64, NaN where missing and in categorical columns; ``categories``: their text by position."""

    numbers: npt.NDArray[np.float64]
    categories: dict[int, list[str]]

    def __len__(self) -> int:
        return len(self.numbers)


def category(text: str) -> str:
    """One spelling for one category: "3", " 3" and "3.0" are the same."""
    name = text.strip()
    whole, point, rest = name.partition(".")
    return whole if point and not rest.strip("0") and whole.lstrip("-").isdigit() else name


def read(body: bytes, width: int, categorical: tuple[int, ...] = ()) -> Rows:
    """Raises UnreadableInputError for rows that are not ``width`` long, and for text outside the categorical columns."""
    lines = [line for line in body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n") if line.strip()]
    if not lines:
        raise UnreadableInputError("The payload holds no rows")
    if not categorical:
        plain = _plain(lines, width)
        if plain is not None:
            return Rows(plain, {})
    return _careful(lines, width, categorical)


def joined(parts: list[Rows]) -> Rows:
    """The rows of several requests."""
    if len(parts) == 1:
        return parts[0]
    categories = {position: [text for part in parts for text in part.categories[position]] for position in parts[0].categories}
    return Rows(np.concatenate([part.numbers for part in parts]), categories)


def _plain(lines: list[bytes], width: int) -> npt.NDArray[np.float64] | None:
    """None when anything but plain numbers is there."""
    if any(line.count(b",") + 1 != width for line in lines):
        return None
    try:
        return np.frombuffer(numbers(b",".join(lines)), np.float64).reshape(-1, width)
    except ValueError:
        return None


def _careful(lines: list[bytes], width: int, categorical: tuple[int, ...]) -> Rows:
    try:
        cells = list(csv.reader([line.decode("utf-8") for line in lines], skipinitialspace=True, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableInputError(f"The payload is not CSV: {error}") from error
    for number, row in enumerate(cells, 1):
        if len(row) != width:
            raise UnreadableInputError(f"Row {number} has {len(row)} columns; the model was trained on {width} features")
    numbers = np.full((len(cells), width), np.nan)
    for position in set(range(width)) - set(categorical):
        numbers[:, position] = [_number(row[position], position) for row in cells]
    return Rows(numbers, {position: [_category(row[position]) for row in cells] for position in categorical})


def _category(cell: str) -> str:
    name = category(cell)
    return "" if name in _MISSING else name


def _number(cell: str, position: int) -> float:
    try:
        return float(cell)
    except ValueError:
        if cell.strip() in _MISSING:
            return float("nan")
        raise UnreadableInputError(f"Column {position + 1} holds {cell!r}, which is not a number") from None
