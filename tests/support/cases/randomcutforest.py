"""Random Cut Forest on a cloud of points and a few far from it."""

from __future__ import annotations

import json

import numpy as np

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.numpy_jobs import csv
from support.tables import bodies

_RANDOM = np.random.default_rng(0)
_USUAL = _RANDOM.normal(size=(1000, 3))
_FAR = _RANDOM.normal(size=(10, 3)) + 12


def case() -> Case:
    """The far points score higher."""
    content_type = "text/csv;label_size=0"
    labelled = np.column_stack([np.repeat([0, 1], [1000, 10]), np.vstack([_USUAL, _FAR])])
    return Case(
        algorithm="randomcutforest",
        hyperparameters={"feature_dim": "3", "num_trees": "50", "num_samples_per_tree": "128"},
        channels={
            "train": Channel(content_type, {"rows.csv": csv(np.vstack([_USUAL, _FAR]))}, "ShardedByS3Key"),
            "test": Channel("text/csv;label_size=1", {"rows.csv": csv(labelled)}),
        },
        requests=bodies(_USUAL[:5]),
        artifact=("model_algo-1",),
        check=_check,
        metrics=("test:f1", "train:progress"),
        wrong_hyperparameters=(
            WrongHyperparameter("num_trees", "10", "is not valid under any of the given schemas"),
            WrongHyperparameter("feature_dim", None, "'feature_dim' is a required property"),
        ),
        wrong_channels=(
            WrongChannel("train", Channel(content_type, {"rows.csv": csv(_USUAL)}), "'FullyReplicated' is not one of"),
        ),
        wrong_requests=(("text/csv", b"1,2"), ("application/jsonlines", b"{")),
    )


def _check(invoke: Invoke) -> None:
    scores = json.loads(invoke("text/csv", csv(np.vstack([_USUAL[:100], _FAR])), "application/json"))["scores"]
    found = np.array([item["score"] for item in scores])
    assert found[100:].min() > found[:100].max()
