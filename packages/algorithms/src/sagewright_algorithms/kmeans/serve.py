"""The K-Means endpoint: the closest cluster of each row and the Euclidean distance to its centre (DG:km-in-formats)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sagewright_algorithms.common import endpoint, ndarray_file
from sagewright_algorithms.common.answers import Columns
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.kmeans.clustering import nearest
from sagewright_algorithms.manifest import load as load_manifest


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.main(load, load_manifest("kmeans").inference)


def load(folder: Path) -> KMeans:
    """Raises OSError, ValueError."""
    centres = next(iter(ndarray_file.load(find(folder).read_bytes()).values()), None)
    if centres is None or centres.ndim != 2 or not centres.size:
        raise ValueError("the model is not an array of k rows")
    return KMeans(centres.astype(np.float32))


class KMeans:
    """``centres``: one row per cluster."""

    top = "predictions"

    def __init__(self, centres: Floats) -> None:
        self._centres = centres

    @property
    def feature_dim(self) -> int:
        """Columns of a row."""
        return int(self._centres.shape[1])

    def predict(self, features: Floats, verbose: bool) -> Columns:
        """Both columns are floats, as AWS answers."""
        labels, distances = nearest(features, self._centres)
        return {"closest_cluster": labels.astype(np.float32), "distance_to_cluster": np.sqrt(distances).astype(np.float32)}
