"""CatBoost on diabetes, with a categorical column of words."""

from __future__ import annotations

import json

import numpy as np
from sklearn.datasets import load_diabetes

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter

_DATA = load_diabetes()
_SEX = np.where(_DATA.data[:, 1] > 0, "male", "female")
_ROWS = [[*map(str, row), sex] for row, sex in zip(_DATA.data.tolist(), _SEX.tolist(), strict=True)]
_SPLIT = 350
_CSV = "text/csv"


def _csv(rows: list[list[str]]) -> bytes:
    return "".join(",".join(row) + "\n" for row in rows).encode()


def _labelled(start: int, end: int) -> bytes:
    return _csv([[str(label), *row] for label, row in zip(_DATA.target.tolist()[start:end], _ROWS[start:end], strict=True)])


def case() -> Case:
    """Progression of the disease: AWS's layout with two channels."""
    files = {"one.csv": _labelled(0, 200), "two.csv": _labelled(200, _SPLIT)}
    return Case(
        algorithm="catboost",
        model_id="catboost-regression-model",
        hyperparameters={"iterations": "80", "learning_rate": "0.1", "depth": "4", "verbose": "20"},
        channels={
            "training": Channel(_CSV, {**files, "categorical_index.json": b'{"cat_index_list": [11]}'}),
            "validation": Channel("", {"data.csv": _labelled(_SPLIT, len(_ROWS))}),
        },
        requests={_CSV: _csv(_ROWS[:3])},
        artifact=("model", "code/inference.py"),
        check=_check,
        metrics=("RMSE", "R2"),
        wrong_hyperparameters=(
            WrongHyperparameter("thread_count", "0", "thread_count must be -1 or a positive number"),
            WrongHyperparameter("depth", "17", "'17' is not valid under any of the given schemas"),
            WrongHyperparameter("max_bin", "many", "'many' is not valid under any of the given schemas"),
            WrongHyperparameter("eval_metric", "Nonsense", "CatBoost: "),
        ),
        wrong_channels=(
            WrongChannel("training", None, "'training' is a required property"),
            WrongChannel("validation", Channel(_CSV, {"data.csv": b"1,2\n3,4\n"}), "The validation data has 1 features"),
            WrongChannel("training", Channel(_CSV, {"data.csv": b"1,2,3\n,5,6\n"}), "Row 2 of training has no label"),
            WrongChannel(
                "training",
                Channel(_CSV, {**files, "categorical_index.json": b'{"cat_index_list": [0]}'}),
                "cat_index_list must hold unique integers greater than zero",
            ),
        ),
        wrong_requests=((_CSV, b"1,2,3"), (_CSV, _csv([["a", *_ROWS[0][1:]]])), (_CSV, b"\n")),
    )


def _check(invoke: Invoke) -> None:
    found = json.loads(invoke(_CSV, _csv(_ROWS[_SPLIT:]), "application/json"))["prediction"]
    error = np.sqrt(np.mean((np.array(found) - _DATA.target[_SPLIT:]) ** 2))
    assert error < 0.85 * _DATA.target[_SPLIT:].std()
    missing = json.loads(invoke(_CSV, _csv([[*[""] * 10, "neither"]]), "application/json"))["prediction"]
    assert len(missing) == 1
