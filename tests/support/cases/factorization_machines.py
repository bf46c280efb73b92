"""Factorization Machines on breast cancer."""

from __future__ import annotations

import json

import numpy as np

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.record_io import records
from support.tables import RECORD_IO, bodies, cancer

_ROWS, _LABELS = cancer()
_TRAIN = 400


def case() -> Case:
    """Malign or benign."""
    rows, labels = _ROWS.astype(np.float32), _LABELS.astype(np.float32)
    return Case(
        algorithm="factorization-machines",
        hyperparameters={
            "feature_dim": "30",
            "num_factors": "4",
            "predictor_type": "binary_classifier",
            "mini_batch_size": "50",
            "epochs": "30",
        },
        channels={
            "train": Channel(RECORD_IO, {"rows.pbr": records(rows[:_TRAIN], labels[:_TRAIN])}),
            "test": Channel(RECORD_IO, {"rows.pbr": records(rows[_TRAIN:], labels[_TRAIN:])}),
        },
        requests=bodies(_ROWS[:5], ("application/json", "application/jsonlines", RECORD_IO)),
        artifact=("model_algo-1",),
        check=_check,
        metrics=("test:binary_classification_accuracy", "train:progress"),
        wrong_hyperparameters=(
            WrongHyperparameter("predictor_type", "multiclass_classifier", "'multiclass_classifier' is not one of"),
            WrongHyperparameter("num_factors", "0", "is not valid under any of the given schemas"),
        ),
        wrong_channels=(WrongChannel("train", Channel(RECORD_IO, {"rows.pbr": b"abc"}), "Unable to read recordio-protobuf"),),
        wrong_requests=((RECORD_IO, b"abc"), ("application/json", b"{")),
    )


def _check(invoke: Invoke) -> None:
    body = bodies(_ROWS[_TRAIN:], ("application/json",))["application/json"]
    predictions = json.loads(invoke("application/json", body, "application/json"))["predictions"]
    assert np.mean([item["predicted_label"] for item in predictions] == _LABELS[_TRAIN:]) >= 0.92
