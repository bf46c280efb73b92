"""The Factorization Machines endpoint: score and, for two classes, predicted label of each row (DG:fm-in-formats)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sagewright_algorithms.common import endpoint
from sagewright_algorithms.common.answers import Columns
from sagewright_algorithms.common.matrix import Rows
from sagewright_algorithms.common.model_file import find
from sagewright_algorithms.factorization_machines.artifact import FittedMachine
from sagewright_algorithms.factorization_machines.machine import sparse
from sagewright_algorithms.factorization_machines.train import probabilities
from sagewright_algorithms.manifest import load as load_manifest


def main() -> int:
    """Serves until SIGTERM; the exit code."""
    return endpoint.run(open_endpoint)


def open_endpoint(folder: Path) -> endpoint.ModelEndpoint:
    """Sparse requests stay sparse: a row may have millions of columns. Raises OSError, ValueError, KeyError."""
    model = FittedMachine.load(find(folder).read_bytes())
    reader = endpoint.TableReader(len(model.machine.linear), sparse=True)
    return endpoint.ModelEndpoint(Predictor(model), load_manifest("factorization-machines").inference, reader)


class Predictor:
    """Answers with scores, and for classifiers with labels."""

    top = "predictions"

    def __init__(self, model: FittedMachine) -> None:
        self._model = model

    def predict(self, features: Rows, verbose: bool) -> Columns:
        """The label is 1 from a probability of one half on."""
        scores = self._model.machine.scores(sparse(features, len(self._model.machine.linear)))
        if not self._model.classifier:
            return {"score": scores}
        return {"score": probabilities(scores), "predicted_label": (scores >= 0).astype(np.int64)}
