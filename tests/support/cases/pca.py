"""PCA on iris."""

from __future__ import annotations

import json

import numpy as np
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter
from support.numpy_jobs import csv
from support.tables import bodies

_ROWS = load_iris().data


def case() -> Case:
    """Two components, those of scikit-learn."""
    return Case(
        algorithm="pca",
        hyperparameters={"feature_dim": "4", "num_components": "2", "mini_batch_size": "50", "subtract_mean": "true"},
        channels={"train": Channel("text/csv;label_size=0", {"rows.csv": csv(_ROWS)})},
        requests=bodies(_ROWS[:5]),
        artifact=("model_algo-1",),
        check=_check,
        metrics=("train:progress", "train:throughput"),
        wrong_hyperparameters=(
            WrongHyperparameter("algorithm_mode", "exact", "'exact' is not one of"),
            WrongHyperparameter("num_components", "-1", "is not valid under any of the given schemas"),
        ),
        wrong_channels=(
            WrongChannel("train", Channel("text/csv;label_size=0", {"rows.csv": b""}), "No training data processed"),
        ),
        wrong_requests=(("text/csv", b"1,2,3"), ("application/json", b"{")),
    )


def _check(invoke: Invoke) -> None:
    found = [item["projection"] for item in json.loads(invoke("text/csv", csv(_ROWS), "application/json"))["projections"]]
    expected = PCA(2).fit_transform(_ROWS)
    ascending = np.sort(np.abs(found).mean(axis=0))
    assert np.allclose(ascending, np.sort(np.abs(expected).mean(axis=0)), rtol=1e-3)
