"""K-Means on iris."""

from __future__ import annotations

import json

from sklearn.datasets import load_iris

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.numpy_jobs import csv
from support.tables import bodies

_ROWS = load_iris().data


def case() -> Case:
    """Three clusters; setosa is one of them."""
    content_type = "text/csv;label_size=0"
    rows = csv(_ROWS)
    return Case(
        algorithm="kmeans",
        hyperparameters={"k": "3", "feature_dim": "4", "epochs": "2"},
        channels={
            "train": Channel(content_type, {"rows.csv": rows}),
            "test": Channel(content_type, {"rows.csv": rows}),
        },
        requests=bodies(_ROWS[:5]),
        artifact=("model_algo-1",),
        check=_check,
        metrics=("test:msd", "train:progress", "train:throughput"),
        wrong_hyperparameters=(
            WrongHyperparameter("k", None, "'k' is a required property"),
            WrongHyperparameter("k", "0", "'0' is not valid under any of the given schemas"),
            WrongHyperparameter("kk", "1", "Additional hyperparameters are not allowed ('kk' was unexpected)"),
        ),
        wrong_channels=(WrongChannel("train", Channel(content_type, {"rows.csv": b"1,2,x,4\n"}), "Unable to parse csv"),),
        wrong_requests=(("text/csv", b"1,2,3"), ("application/json", b"{")),
    )


def _check(invoke: Invoke) -> None:
    predictions = json.loads(invoke("text/csv", csv(_ROWS), "application/json"))["predictions"]
    found = [item["closest_cluster"] for item in predictions]
    assert set(found[:50]) == {found[0]}
    assert found[0] not in found[50:]
