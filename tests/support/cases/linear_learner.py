"""Linear Learner on breast cancer."""

from __future__ import annotations

import json

import numpy as np

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.numpy_jobs import csv
from support.tables import bodies, cancer

_ROWS, _LABELS = cancer()
_TRAIN = 400


def case() -> Case:
    """Malign or benign."""
    labelled = np.column_stack([_LABELS, _ROWS])
    return Case(
        algorithm="linear-learner",
        hyperparameters={"predictor_type": "binary_classifier", "mini_batch_size": "50", "num_models": "8", "epochs": "6"},
        channels={
            "train": Channel("text/csv", {"rows.csv": csv(labelled[:_TRAIN])}),
            "validation": Channel("text/csv", {"rows.csv": csv(labelled[_TRAIN:])}),
        },
        requests=bodies(_ROWS[:5]),
        artifact=("model_algo-1",),
        check=_check,
        metrics=("validation:binary_classification_accuracy", "train:progress", "train:throughput"),
        wrong_hyperparameters=(
            WrongHyperparameter("predictor_type", "classifier", "'classifier' is not one of"),
            WrongHyperparameter("mini_batch_siz", "1", "('mini_batch_siz' was unexpected)"),
        ),
        wrong_channels=(
            WrongChannel("train", Channel("text/csv", {"rows.csv": b""}), "No training data processed"),
            WrongChannel("train", Channel("text/csv", {"rows.csv": b"1,nan,2\n"}), "ClientError: "),
        ),
        wrong_requests=(("text/csv", b"1,2,3"), ("application/json", b"[]")),
    )


def _check(invoke: Invoke) -> None:
    predictions = json.loads(invoke("text/csv", csv(_ROWS[_TRAIN:]), "application/json"))["predictions"]
    assert np.mean([item["predicted_label"] for item in predictions] == _LABELS[_TRAIN:]) >= 0.94
