"""The PCA endpoint: the projection of each row on the components (DG:PCA-in-formats)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sagewright_algorithms.common import endpoint, ndarray_file
from sagewright_algorithms.common.answers import Columns
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.manifest import load as load_manifest


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.main(load, load_manifest("pca").inference)


def load(folder: Path) -> Projection:
    """Raises OSError, ValueError."""
    arrays = ndarray_file.load(find(folder).read_bytes())
    vectors = arrays.get("v")
    if vectors is None or vectors.ndim != 2 or not vectors.size:
        raise ValueError("the model has no matrix v")
    mean = arrays.get("mean", np.zeros(len(vectors))).reshape(-1)
    if len(mean) != len(vectors):
        raise ValueError("mean and v of the model do not fit together")
    return Projection(mean.astype(np.float32), vectors.astype(np.float32))


class Projection:
    """``vectors``: one column per component, the most important last."""

    top = "projections"

    def __init__(self, mean: Floats, vectors: Floats) -> None:
        self._mean = mean
        self._vectors = vectors

    @property
    def feature_dim(self) -> int:
        """Columns of a row."""
        return len(self._vectors)

    def predict(self, features: Floats, verbose: bool) -> Columns:
        """In the order of the model's components."""
        return {"projection": (features - self._mean) @ self._vectors}
