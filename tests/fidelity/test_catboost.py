"""CatBoost in its container is the library: the same predictions on scikit-learn's tables (algorithms/catboost.json, H19)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score
from support import jumpstart_jobs, splits
from support.ml_root import MlRoot
from support.numpy_jobs import csv

CLASSIFICATION, REGRESSION = "catboost-classification-model", "catboost-regression-model"
QUICK = {"iterations": 200, "learning_rate": 0.1}
# The other defaults of AWS's documentation.
DEFAULTS = {
    "depth": 6,
    "l2_leaf_reg": 3,
    "random_strength": 1.0,
    "rsm": 1.0,
    "sampling_frequency": "PerTreeLevel",
    "bootstrap_type": "Bayesian",
    "bagging_temperature": 1.0,
    "random_seed": 0,
    "grow_policy": "SymmetricTree",
    "thread_count": 1,
    "allow_writing_files": False,
    "verbose": 0,
}


def fitted(model: Any, split: splits.Split) -> Any:
    """The library's, with AWS's patience."""
    held = (split.validation[:, 1:], split.validation[:, 0])
    return model.fit(split.train[:, 1:], split.train[:, 0], eval_set=held, early_stopping_rounds=5)


def ours(root: MlRoot, model: str, split: splits.Split, member: str) -> Any:
    """What the endpoint answers for the validation rows."""
    given = {name: str(value) for name, value in QUICK.items()}
    jumpstart_jobs.fit(root, "catboost", model, {**given, "verbose": "50"}, training=split.files())
    with jumpstart_jobs.serving(root, "sklearn") as served:
        return np.array(jumpstart_jobs.answer(served, csv(split.validation[:, 1:]))[member])


def test_breast_cancer(tmp_path: Path) -> None:
    """Reference AUC 0.9855."""
    split = splits.breast_cancer()
    found = ours(MlRoot(tmp_path / "ml"), CLASSIFICATION, split, "probabilities")
    model = fitted(catboost.CatBoostClassifier(**QUICK, **DEFAULTS, eval_metric="AUC"), split)
    assert found == pytest.approx(model.predict_proba(split.validation[:, 1:])[:, 1], abs=1e-9)
    assert roc_auc_score(split.validation[:, 0], found) > 0.985


def test_digits(tmp_path: Path) -> None:
    """Reference accuracy 0.9756."""
    split = splits.digits()
    found = ours(MlRoot(tmp_path / "ml"), CLASSIFICATION, split, "probabilities")
    model = fitted(catboost.CatBoostClassifier(**QUICK, **DEFAULTS, loss_function="MultiClass"), split)
    assert found == pytest.approx(model.predict_proba(split.validation[:, 1:]), abs=1e-9)
    assert accuracy_score(split.validation[:, 0], found.argmax(axis=1)) > 0.96


def test_diabetes(tmp_path: Path) -> None:
    """Reference RMSE 60.7."""
    split = splits.diabetes()
    found = ours(MlRoot(tmp_path / "ml"), REGRESSION, split, "prediction")
    model = fitted(catboost.CatBoostRegressor(**QUICK, **DEFAULTS), split)
    assert found == pytest.approx(model.predict(split.validation[:, 1:]), rel=1e-9)
    assert np.sqrt(np.mean((found - split.validation[:, 0]) ** 2)) < 61
