"""Request payloads as feature rows: CSV, libsvm and RecordIO protobuf. No NumPy: a single row must cost microseconds."""

from __future__ import annotations

import csv
from array import array
from dataclasses import dataclass, field
from math import nan

from sagewright_algorithms.numbers import numbers, rows
from sagewright_algorithms.recordio import decode

_LONGEST_NUMBER = 4096  # the csv module has a limit, too, but any library of the process may change it
_DELIMITERS = (",", ";", "\t", "|", " ")


class UnreadablePayloadError(ValueError):
    """The payload is not what its content type says."""


@dataclass(frozen=True, slots=True)
class DenseRows:
    """``values``: rows of ``columns`` numbers in float64, as they are read; the library takes them as float32. NaN is missing."""

    values: array[float]
    columns: int


@dataclass(slots=True)
class SparseRows:
    """Compressed rows; an absent feature is missing."""

    starts: array[int] = field(default_factory=lambda: array("Q", [0]))
    indices: array[int] = field(default_factory=lambda: array("I"))
    values: array[float] = field(default_factory=lambda: array("f"))

    def end_row(self) -> None:
        """The features appended since the last call are one row."""
        self.starts.append(len(self.indices))

    @property
    def columns(self) -> int:
        """One more than the highest index."""
        return max(self.indices, default=-1) + 1


Rows = DenseRows | SparseRows


def read_csv(body: bytes) -> DenseRows:
    """Rows without a label; the delimiter is that of the first line; empty is missing. Raises UnreadablePayloadError."""
    text = body.strip(b"\r\n")
    try:
        if b"\n" not in text:
            values = numbers(text)
            return DenseRows(values, len(values))
        return _lines(text)
    except ValueError:  # not plain numbers between commas
        return _careful_csv(body)


def read_libsvm(body: bytes) -> SparseRows:
    """``[label] [qid:n] index:value …`` per line. Raises UnreadablePayloadError."""
    rows = SparseRows()
    for line in body.splitlines():
        tokens = line.partition(b"#")[0].split()
        for token in tokens[1:] if tokens and b":" not in tokens[0] else tokens:
            index, found, value = token.partition(b":")
            if index == b"qid":
                continue
            try:
                rows.indices.append(int(index))
                rows.values.append(float(value))
            except (ValueError, OverflowError) as error:
                raise UnreadablePayloadError(f"not libsvm: {token[:40]!r}") from error
            if not found:
                raise UnreadablePayloadError(f"not libsvm: {token[:40]!r}")
        if line.strip():
            rows.end_row()
    return rows


def read_recordio(body: bytes) -> Rows:
    """The "values" feature of each Record, all dense or all sparse. Raises UnreadablePayloadError."""
    records = [record.features.get("values") for record in decode(body)]
    if any(tensor is None for tensor in records):
        raise UnreadablePayloadError('a Record without the feature "values"')
    tensors = [tensor for tensor in records if tensor is not None]
    if all(tensor.keys is None for tensor in tensors):
        values = array("d")
        for tensor in tensors:
            values.extend(array("d", tensor.values))
        return _table(values, {len(tensor.values) for tensor in tensors})
    rows = SparseRows()
    for tensor in tensors:
        keys = tensor.keys if tensor.keys is not None else range(len(tensor.values))
        rows.indices.extend(keys)
        rows.values.extend(tensor.values)
        rows.end_row()
    return rows


def _lines(text: bytes) -> DenseRows:
    values, columns = rows(text)
    return DenseRows(values, columns)


def _careful_csv(body: bytes) -> DenseRows:
    """Other delimiters, quotes, empty cells, blank lines."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadablePayloadError(str(error)) from error
    lines = [line for line in text.splitlines() if line.strip()]
    delimiter = next((mark for mark in _DELIMITERS if lines and mark in lines[0].strip()), ",")
    values, widths = array("d"), set()
    try:
        for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
            widths.add(len(cells))
            values.extend(map(_number, cells))
    except csv.Error as error:
        raise UnreadablePayloadError(str(error)) from error
    return _table(values, widths)


def _number(cell: str) -> float:
    text = cell.strip()
    if len(text) > _LONGEST_NUMBER:
        raise UnreadablePayloadError(f"field larger than {_LONGEST_NUMBER} characters: {text[:40]!r}")
    try:
        return float(text) if text else nan
    except ValueError as error:
        raise UnreadablePayloadError(f"could not convert string to float: {text[:40]!r}") from error


def _table(values: array[float], widths: set[int]) -> DenseRows:
    if len(widths) > 1:
        raise UnreadablePayloadError(f"rows of different lengths: {sorted(widths)}")
    return DenseRows(values, widths.pop() if widths else 0)
