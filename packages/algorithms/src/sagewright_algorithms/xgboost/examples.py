"""Labelled training rows in memory, and what the library makes of them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.matrix import Matrix

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DenseExamples:
    """``features`` (rows, columns), NaN is missing; ``labels`` (rows); ``weights`` (rows) or None."""

    features: Floats
    labels: Floats
    weights: Floats | None = None


@dataclass(slots=True)
class SparseExamples:
    """Compressed rows with a label each; ``weights`` and ``groups`` (query ids) are empty or have one value per row."""

    starts: array[int] = field(default_factory=lambda: array("Q", [0]))
    indices: array[int] = field(default_factory=lambda: array("I"))
    values: array[float] = field(default_factory=lambda: array("f"))
    labels: array[float] = field(default_factory=lambda: array("f"))
    weights: array[float] = field(default_factory=lambda: array("f"))
    groups: array[int] = field(default_factory=lambda: array("Q"))

    def columns(self) -> int:
        """One more than the highest index."""
        return max(self.indices, default=-1) + 1


Examples = DenseExamples | SparseExamples


def columns(examples: Examples) -> int:
    """The number of features."""
    return examples.columns() if isinstance(examples, SparseExamples) else examples.features.shape[1]


def matrix(examples: Examples, width: int) -> Matrix:
    """``width``: the columns of sparse rows (training and validation data must agree)."""
    if isinstance(examples, DenseExamples):
        built = Matrix.from_dense(examples.features)
    else:
        built = Matrix.from_csr(examples.starts, examples.indices, examples.values, width)
    built.set_info("label", examples.labels)
    if examples.weights is not None and len(examples.weights):
        built.set_info("weight", examples.weights)
    if isinstance(examples, SparseExamples) and len(examples.groups):
        built.set_info("qid", examples.groups)
    return built


def joined(parts: Sequence[Examples]) -> Examples:
    """The rows of several files, one after the other. Raises UserError when they do not fit together."""
    dense = [part for part in parts if isinstance(part, DenseExamples)]
    sparse = [part for part in parts if isinstance(part, SparseExamples)]
    if len(parts) == 1:
        return parts[0]
    if dense and sparse:
        raise UserError("Dense and sparse records in one channel")
    return _joined_dense(dense) if dense else _joined_sparse(sparse)


def _joined_dense(parts: Sequence[DenseExamples]) -> DenseExamples:
    widths = {part.features.shape[1] for part in parts}
    if len(widths) > 1:
        raise UserError(f"Files with different numbers of columns: {sorted(widths)}")
    weights = [part.weights for part in parts if part.weights is not None]
    return DenseExamples(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate(weights) if weights else None,
    )


def _joined_sparse(parts: Sequence[SparseExamples]) -> SparseExamples:
    whole = SparseExamples()
    for part in parts:
        offset = len(whole.indices)
        whole.starts.extend(offset + start for start in part.starts[1:])
        for name in ("indices", "values", "labels", "weights", "groups"):
            getattr(whole, name).extend(getattr(part, name))
    for name in ("weights", "groups"):
        if len(getattr(whole, name)) not in (0, len(whole.labels)):
            raise UserError(f"Only some files have {name}")
    return whole
