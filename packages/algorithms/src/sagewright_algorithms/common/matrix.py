"""Feature rows: a dense table, or compressed rows as sparse records come."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.recordio import Tensor

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class WrongWidthError(ValueError):
    """Rows do not have the number of features that is asked for; the text is numpy's, which AWS shows."""

    def __init__(self, given: int, wanted: int) -> None:
        super().__init__(f"cannot copy sequence with size {given} to array axis with dimension {wanted}")


@dataclass(frozen=True, slots=True)
class CompressedRows:
    """Row i holds ``values`` and their columns ``indices`` from ``starts[i]`` to ``starts[i + 1]``."""

    starts: Integers
    indices: Integers
    values: Floats
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row_numbers(self) -> Integers:
        """The row of each value."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.starts))


Rows = Floats | CompressedRows


def dense(rows: Rows, width: int) -> Floats:
    """As a table of ``width`` columns. Raises WrongWidthError."""
    if isinstance(rows, CompressedRows):
        if rows.width > width:
            raise WrongWidthError(rows.width, width)
        table = np.zeros((len(rows), width), np.float32)
        table[rows.row_numbers(), rows.indices] = rows.values
        return table
    if rows.shape[1] != width:
        raise WrongWidthError(rows.shape[1], width)
    return rows


def fitted(rows: Rows, width: int) -> Rows:
    """As ``dense``, but compressed rows stay compressed. Raises WrongWidthError."""
    if isinstance(rows, CompressedRows) and rows.width <= width:
        return rows
    return dense(rows, width)


def width_of(rows: Rows) -> int:
    """Columns."""
    return rows.width if isinstance(rows, CompressedRows) else rows.shape[1]


def joined(parts: list[Rows]) -> Rows:
    """All rows of all parts, compressed when one of them is. Raises WrongWidthError when dense parts differ in width."""
    if len(parts) == 1:
        return parts[0]
    tables = [part for part in parts if isinstance(part, np.ndarray)]
    for table in tables:
        if table.shape[1] != tables[0].shape[1]:
            raise WrongWidthError(table.shape[1], tables[0].shape[1])
    if len(tables) == len(parts):
        return np.concatenate(tables)
    return _joined_compressed([part if isinstance(part, CompressedRows) else _compressed(part) for part in parts])


def of_tensors(tensors: Iterable[Tensor]) -> Rows:
    """Dense when all are. Raises WrongWidthError for dense rows of different lengths, ValueError for a bad sparse one."""
    found = list(tensors)
    if all(tensor.keys is None for tensor in found):
        return _table(found)
    starts, indices, values, width = [0], array("I"), array("f"), 0
    for tensor in found:
        keys = tensor.keys if tensor.keys is not None else range(len(tensor.values))
        length = max(keys, default=-1) + 1
        if tensor.shape and length > tensor.shape[0]:
            raise ValueError(f"a key of a sparse tensor is not below its shape {tensor.shape[0]}")
        indices.extend(keys)
        values.extend(tensor.values)
        starts.append(len(indices))
        width = max(width, length, tensor.shape[0] if tensor.shape else 0)
    return CompressedRows(
        np.array(starts, np.int64), np.array(indices, np.uint32).astype(np.int64), np.array(values, np.float32), width
    )


def _table(tensors: list[Tensor]) -> Floats:
    width = len(tensors[0].values) if tensors else 0
    for tensor in tensors:
        if len(tensor.values) != width:
            raise WrongWidthError(len(tensor.values), width)
    content = b"".join(tensor.values.tobytes() for tensor in tensors)
    return np.frombuffer(content, np.float32).reshape(len(tensors), width)


def _compressed(table: Floats) -> CompressedRows:
    rows, width = table.shape
    return CompressedRows(
        np.arange(rows + 1, dtype=np.int64) * width, np.tile(np.arange(width, dtype=np.int64), rows), table.ravel(), width
    )


def _joined_compressed(parts: list[CompressedRows]) -> CompressedRows:
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    return CompressedRows(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.values for part in parts]),
        max(part.width for part in parts),
    )
