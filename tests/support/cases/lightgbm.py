"""LightGBM on breast_cancer, with a categorical column."""

from __future__ import annotations

import json

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.numpy_jobs import csv

_DATA = load_breast_cancer()
_TABLE = np.column_stack([_DATA.target, _DATA.data, _DATA.data[:, 0] // 5])
_TRAIN, _VALIDATION = _TABLE[:400], _TABLE[400:]
_CSV = "text/csv"


def case() -> Case:
    """Benign or malignant."""
    files = {"train/data.csv": csv(_TRAIN), "validation/data.csv": csv(_VALIDATION)}
    return Case(
        algorithm="lightgbm",
        model_id="lightgbm-classification-model",
        hyperparameters={"num_boost_round": "60", "metric": "auc", "num_leaves": "8", "learning_rate": "0.1"},
        channels={"training": Channel(_CSV, {**files, "categorical_index.json": b'{"cat_index_list": [31]}'})},
        requests={_CSV: csv(_VALIDATION[:3, 1:])},
        artifact=("model.pkl", "model.txt", "code/inference.py"),
        check=_check,
        metrics=("auc",),
        wrong_hyperparameters=(
            WrongHyperparameter("num_leaves", "1", "'1' is not valid under any of the given schemas"),
            WrongHyperparameter("learning_rate", "fast", "'fast' is not valid under any of the given schemas"),
            WrongHyperparameter("boosting", "xgb", "'xgb' is not one of"),
            WrongHyperparameter("metric", "multi_logloss", "LightGBM: "),
        ),
        wrong_channels=(
            WrongChannel("training", None, "'train' is a required property"),
            WrongChannel("training", Channel(_CSV, {"data.csv": b""}), "Unable to parse data.csv as CSV"),
            WrongChannel("training", Channel(_CSV, {"data.csv": b"0,1,red\n1,2,blue\n"}), "name categorical columns in"),
            WrongChannel("training", Channel("application/json", {"data.csv": b"0,1\n"}), "Content type application/json"),
        ),
        wrong_requests=((_CSV, b"1,2,3"), (_CSV, b""), (_CSV, b"\xff\xfe" + b",1" * 30)),
    )


def _check(invoke: Invoke) -> None:
    body = csv(_VALIDATION[:, 1:])
    probabilities = json.loads(invoke(_CSV, body, "application/json"))["probabilities"]
    assert roc_auc_score(_VALIDATION[:, 0], probabilities) > 0.98
    verbose = json.loads(invoke(_CSV, body, "application/json;verbose"))
    assert verbose["labels"] == [0, 1]
    assert verbose["predicted_label"] == [int(probability > 0.5) for probability in probabilities]
