"""TabTransformer on two numbers and two categorical columns whose levels decide together."""

from __future__ import annotations

import json

import numpy as np
from sklearn.metrics import roc_auc_score

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter

_RANDOM = np.random.default_rng(0)
_COLOURS, _SIZES = np.array(["red", "green", "blue"]), np.array(["S", "M", "L"])
_KINDS = _RANDOM.integers(0, 3, (600, 2))
_NUMBERS = _RANDOM.normal(size=(600, 2))
_LABELS = ((_KINDS[:, 0] == _KINDS[:, 1]) * 2 - 1 + _NUMBERS[:, 0] > 0).astype(int)
_CSV = "text/csv"


def case() -> Case:
    """Label, colour, number, size, number."""
    return Case(
        algorithm="tabtransformer",
        model_id="pytorch-tabtransformerclassification-model",
        hyperparameters={"n_epochs": "12", "batch_size": "64", "n_blocks": "1", "input_dim": "16", "learning_rate": "0.01"},
        channels={
            "training": Channel(
                _CSV,
                {
                    "train/data.csv": _csv(slice(0, 400), labelled=True),
                    "validation/data.csv": _csv(slice(400, 500), labelled=True),
                    "categorical_index.json": b'{"cat_index_list": [1, 3]}',
                },
            )
        },
        requests={_CSV: _csv(slice(500, 503)) + b"violet,,XXL,\n"},
        artifact=("model.pt", "model.json"),
        check=_check,
        metrics=("f1_score",),
        wrong_hyperparameters=(
            WrongHyperparameter("input_dim", "33", "'33' is not one of"),
            WrongHyperparameter("n_blocks", "13", "'13' is not valid under any of the given schemas"),
            WrongHyperparameter("patience", "1", "'1' is not valid under any of the given schemas"),
        ),
        wrong_channels=(
            WrongChannel("training", None, "'training' is a required property"),
            WrongChannel("training", Channel(_CSV, {"data.csv": b"0,red\n" * 10}), "name categorical columns in"),
            WrongChannel("training", Channel(_CSV, {"data.csv": b"1,2\n" * 10}), "classification needs at least two"),
        ),
        wrong_requests=((_CSV, b"red,1"), (_CSV, b""), (_CSV, b"red,one,S,2")),
    )


def _csv(rows: slice, labelled: bool = False) -> bytes:
    columns = [_COLOURS[_KINDS[rows, 0]], _NUMBERS[rows, 0], _SIZES[_KINDS[rows, 1]], _NUMBERS[rows, 1]]
    lines = zip(*([_LABELS[rows]] if labelled else []), *columns, strict=True)
    return "".join(",".join(map(str, line)) + "\n" for line in lines).encode()


def _check(invoke: Invoke) -> None:
    body = _csv(slice(500, 600))
    probabilities = np.array(json.loads(invoke(_CSV, body, "application/json"))["probabilities"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert roc_auc_score(_LABELS[500:], probabilities[:, 1]) > 0.97
    verbose = json.loads(invoke(_CSV, body, "application/json;verbose"))
    assert verbose["labels"] == [0, 1]
    assert verbose["predicted_label"] == probabilities.argmax(axis=1).tolist()
