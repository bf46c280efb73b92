"""XGBoost on breast cancer."""

from __future__ import annotations

import numpy as np

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.numpy_jobs import csv
from support.record_io import records
from support.tables import RECORD_IO, cancer

_ROWS, _LABELS = cancer()
_TRAIN = 400


def case() -> Case:
    """Malign or benign."""
    labelled = np.column_stack([_LABELS, _ROWS])
    libsvm = " ".join(f"{number + 1}:{value:.6g}" for number, value in enumerate(_ROWS[0])).encode()
    return Case(
        algorithm="xgboost",
        hyperparameters={"num_round": "10", "objective": "binary:logistic", "eval_metric": "auc,error,f1"},
        channels={
            "train": Channel("text/csv", {"rows.csv": csv(labelled[:_TRAIN])}),
            "validation": Channel("text/csv", {"rows.csv": csv(labelled[_TRAIN:])}),
        },
        requests={
            "text/csv": csv(_ROWS[:5]),
            "text/libsvm": libsvm,
            "text/x-libsvm": libsvm,
            RECORD_IO: records(_ROWS[:5].astype(np.float32)),
        },
        artifact=("xgboost-model",),
        check=_check,
        metrics=("validation:auc", "validation:error", "validation:f1", "train:auc"),
        wrong_hyperparameters=(
            WrongHyperparameter("num_round", None, "Missing required hyperparameter: num_round"),
            WrongHyperparameter("eta", "2", "Hyperparameter eta: 2.0 is not in [0, 1]"),
            WrongHyperparameter("etta", "0.2", "Extraneous hyperparameter found: etta"),
        ),
        wrong_channels=(
            WrongChannel("train", Channel("application/json", {"rows.csv": b"1,2\n"}), "is not an accepted ContentType"),
            WrongChannel("train", Channel("text/csv", {"rows.csv": csv(labelled + 5)}), "label must be in [0,1]"),
        ),
        wrong_requests=(("text/csv", b"1,2,3\n"),),
    )


def _check(invoke: Invoke) -> None:
    body = invoke("text/csv", csv(_ROWS[_TRAIN:]), "text/csv")  # the image xgboost:1 answers in one line
    found = np.array(body.replace(b",", b"\n").split(), dtype=float)
    assert np.mean((found > 0.5) == _LABELS[_TRAIN:]) >= 0.92
