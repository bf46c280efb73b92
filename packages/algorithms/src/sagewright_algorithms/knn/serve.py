"""The k-NN endpoint: the label of each row, with its neighbours when Accept says ``verbose=true`` (DG:kNN-inference-formats)."""

from __future__ import annotations

from pathlib import Path

from sagewright_algorithms.common import endpoint
from sagewright_algorithms.common.answers import Columns
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.knn import neighbours
from sagewright_algorithms.manifest import load as load_manifest


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.main(load, load_manifest("knn").inference)


def load(folder: Path) -> Predictor:
    """Raises OSError, ValueError, KeyError."""
    return Predictor(neighbours.load(folder))


class Predictor:
    """Answers with labels."""

    top = "predictions"

    def __init__(self, model: neighbours.Model) -> None:
        self._model = model

    @property
    def feature_dim(self) -> int:
        """Columns of a row."""
        return self._model.feature_dim

    def predict(self, features: Floats, verbose: bool) -> Columns:
        """``distances`` ascend; those of L2 are squared, as faiss gives them."""
        distances, labels = self._model.nearest(features)
        brief = {"predicted_label": self._model.predict(labels)}
        return {**brief, "distances": distances, "labels": labels} if verbose else brief
