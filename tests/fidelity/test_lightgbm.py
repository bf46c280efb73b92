"""LightGBM in its container is the library: the same predictions on scikit-learn's tables (algorithms/lightgbm.json, H18)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score
from support import jumpstart_jobs, splits
from support.ml_root import MlRoot
from support.numpy_jobs import csv

CLASSIFICATION, REGRESSION = "lightgbm-classification-model", "lightgbm-regression-model"
# The defaults of AWS's documentation.
DEFAULTS = {
    "learning_rate": 0.1,
    "num_leaves": 64,
    "feature_fraction": 0.9,
    "bagging_fraction": 0.9,
    "bagging_freq": 1,
    "max_depth": 6,
    "min_data_in_leaf": 3,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def reference(split: splits.Split, **parameters: Any) -> Any:
    """What the library predicts for the validation rows."""
    train = lightgbm.Dataset(split.train[:, 1:], split.train[:, 0])
    validation = lightgbm.Dataset(split.validation[:, 1:], split.validation[:, 0], reference=train)
    stop = lightgbm.early_stopping(10, verbose=False)
    booster = lightgbm.train({**DEFAULTS, **parameters}, train, 100, valid_sets=[validation], callbacks=[stop])
    return booster.predict(split.validation[:, 1:])


def ours(root: MlRoot, model: str, split: splits.Split, member: str) -> Any:
    """What the endpoint answers for them."""
    jumpstart_jobs.fit(root, "lightgbm", model, {}, training=split.files())
    with jumpstart_jobs.serving(root, "sklearn") as served:
        return np.array(jumpstart_jobs.answer(served, csv(split.validation[:, 1:]))[member])


def test_breast_cancer(tmp_path: Path) -> None:
    """Reference AUC 0.9855."""
    split = splits.breast_cancer()
    found = ours(MlRoot(tmp_path / "ml"), CLASSIFICATION, split, "probabilities")
    assert found == pytest.approx(reference(split, objective="binary", metric="binary_logloss"), abs=1e-9)
    assert roc_auc_score(split.validation[:, 0], found) > 0.985


def test_digits(tmp_path: Path) -> None:
    """Reference accuracy 0.9756."""
    split = splits.digits()
    found = ours(MlRoot(tmp_path / "ml"), CLASSIFICATION, split, "probabilities")
    expected = reference(split, objective="multiclass", metric="multi_logloss", num_class=10)
    assert found == pytest.approx(expected, abs=1e-9)
    assert accuracy_score(split.validation[:, 0], found.argmax(axis=1)) > 0.96


def test_diabetes(tmp_path: Path) -> None:
    """Reference RMSE 60.7."""
    split = splits.diabetes()
    found = ours(MlRoot(tmp_path / "ml"), REGRESSION, split, "prediction")
    assert found == pytest.approx(reference(split, objective="regression", metric="rmse"), rel=1e-9)
    assert np.sqrt(np.mean((found - split.validation[:, 0]) ** 2)) < 63  # of another split: ours is every fifth row
