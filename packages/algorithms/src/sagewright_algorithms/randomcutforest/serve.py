"""The Random Cut Forest endpoint: the anomaly score of each row (DG:rcf-in-formats)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sagewright_algorithms.common import endpoint, ndarray_file
from sagewright_algorithms.common.answers import Columns
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.manifest import load as load_manifest
from sagewright_algorithms.randomcutforest.forest import Forest


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.main(load, load_manifest("randomcutforest").inference)


def load(folder: Path) -> Scorer:
    """Raises OSError, ValueError, KeyError."""
    return Scorer(Forest.of_arrays(ndarray_file.load(find(folder).read_bytes())))


class Scorer:
    """Answers with scores."""

    top = "scores"

    def __init__(self, forest: Forest) -> None:
        self._forest = forest

    @property
    def feature_dim(self) -> int:
        """Columns of a row."""
        return self._forest.feature_dim

    def predict(self, features: Floats, verbose: bool) -> Columns:
        """Higher is more unusual."""
        return {"score": self._forest.scores(features).astype(np.float32)}
