"""k-NN on iris."""

from __future__ import annotations

import json

import numpy as np
from sklearn.datasets import load_iris

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.numpy_jobs import csv
from support.tables import bodies

_ROWS, _LABELS = load_iris(return_X_y=True)


def case() -> Case:
    """Three kinds of flowers."""
    labelled = csv(np.column_stack([_LABELS, _ROWS]))
    return Case(
        algorithm="knn",
        hyperparameters={"feature_dim": "4", "k": "5", "sample_size": "150", "predictor_type": "classifier"},
        channels={"train": Channel("text/csv", {"rows.csv": labelled}), "test": Channel("text/csv", {"rows.csv": labelled})},
        requests=bodies(_ROWS[:5]),
        artifact=("model_algo-1",),
        check=_check,
        metrics=("test:accuracy", "train:progress"),
        wrong_hyperparameters=(
            WrongHyperparameter("predictor_type", "ranker", "'ranker' is not one of"),
            WrongHyperparameter("k", "0", "is not valid under any of the given schemas"),
        ),
        wrong_channels=(WrongChannel("train", Channel("text/csv", {"rows.csv": b"\n"}), "No training data processed"),),
        wrong_requests=(("text/csv", b"1,2"), ("application/json", b"null")),
    )


def _check(invoke: Invoke) -> None:
    predictions = json.loads(invoke("text/csv", csv(_ROWS), "application/json"))["predictions"]
    assert np.mean([item["predicted_label"] for item in predictions] == _LABELS) >= 0.95
