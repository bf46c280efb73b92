"""The Linear Learner endpoint: score and predicted label of each row (DG:LL-in-formats)."""

from __future__ import annotations

from pathlib import Path

from sagewright_algorithms.common import endpoint
from sagewright_algorithms.common.answers import Columns
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.linear_learner.artifact import LinearModel
from sagewright_algorithms.linear_learner.predictor import labels, scores
from sagewright_algorithms.manifest import load as load_manifest


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.main(load, load_manifest("linear-learner").inference)


def load(folder: Path) -> Predictor:
    """Raises OSError, ValueError, KeyError."""
    return Predictor(LinearModel.load(find(folder).read_bytes()))


class Predictor:
    """Answers with scores, and for classifiers with labels."""

    top = "predictions"

    def __init__(self, model: LinearModel) -> None:
        self._model = model

    @property
    def feature_dim(self) -> int:
        """Columns of a row."""
        return len(self._model.weights)

    def predict(self, features: Floats, verbose: bool) -> Columns:
        """Labels are whole numbers in JSON."""
        found = scores(self._model, features)
        named = labels(self._model, found)
        return {"score": found} if named is None else {"score": found, "predicted_label": named}
