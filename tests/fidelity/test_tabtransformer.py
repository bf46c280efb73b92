"""TabTransformer against its pass marks (features H22; docs/notes/algorithms.md): a quarter of the rows is held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from support import jumpstart_jobs
from support.ml_root import MlRoot
from support.numpy_jobs import csv

Floats = NDArray[np.float64]
CLASSIFICATION, REGRESSION = (f"pytorch-tabtransformer{task}-model" for task in ("classification", "regression"))


def held_out(
    folder: Path, model_id: str, features: Floats, labels: NDArray[Any], hyperparameters: dict[str, str], categorical: int = 0
) -> tuple[dict[str, Any], NDArray[Any], tuple[Floats, Floats, NDArray[Any]]]:
    """The answer to the quarter that was held out, its labels, and what a peer needs: training rows, rows, training labels."""
    strata = labels if model_id == CLASSIFICATION else None
    rows, tests, targets, expected = train_test_split(features, labels, test_size=0.25, random_state=0, stratify=strata)
    index = {"cat_index_list": list(range(1, categorical + 1))}
    files = {"train/data.csv": csv(np.column_stack([targets, rows])), "categorical_index.json": json.dumps(index).encode()}
    root = MlRoot(folder / "ml")
    jumpstart_jobs.fit(root, "tabtransformer", model_id, hyperparameters, training=files)
    with jumpstart_jobs.serving(root) as served:
        return jumpstart_jobs.answer(served, csv(tests)), expected, (rows, tests, targets)


def synthetic() -> tuple[Floats, NDArray[np.int64]]:
    """Four categorical columns of 12 levels, two of which act together, and four numbers: 6 000 rows, at best AUC 0.90."""
    random, rows = np.random.default_rng(0), 6000
    kinds, numbers = random.integers(0, 12, (rows, 4)), random.normal(size=(rows, 4))
    levels, pairs = random.normal(size=(4, 12)), random.normal(size=(2, 12, 2))
    score = 1.4 * levels[np.arange(4), kinds].sum(axis=1) + 0.5 * (pairs[0][kinds[:, 0]] * pairs[1][kinds[:, 1]]).sum(axis=1)
    score += 0.8 * numbers[:, 0] - 0.5 * numbers[:, 1] + 0.2 * numbers[:, 2] * numbers[:, 3]
    return np.column_stack([kinds, numbers]), (score + random.logistic(size=rows) > 0).astype(np.int64)


@pytest.mark.slow
def test_categories(tmp_path: Path) -> None:
    """AUC of at least 0.86 with AWS's defaults, and no worse than boosted trees."""
    answer, expected, (rows, tests, targets) = held_out(tmp_path, CLASSIFICATION, *synthetic(), {}, categorical=4)
    ours = roc_auc_score(expected, np.array(answer["probabilities"])[:, 1])
    peer = LGBMClassifier(n_estimators=100, learning_rate=0.05, num_leaves=15, verbose=-1, n_jobs=1)
    peer.fit(rows, targets, categorical_feature=[0, 1, 2, 3])
    theirs = roc_auc_score(expected, peer.booster_.predict(tests))
    print(f"AUC {ours:.4f}, LightGBM {theirs:.4f}")
    assert ours >= 0.86
    assert ours >= theirs - 0.005


def test_numbers(tmp_path: Path) -> None:
    """Breast cancer: AUC of at least 0.97."""
    data = load_breast_cancer()
    given = {"n_epochs": "20", "batch_size": "32"}
    answer, expected, _ = held_out(tmp_path, CLASSIFICATION, data.data, data.target, given)
    auc = roc_auc_score(expected, np.array(answer["probabilities"])[:, 1])
    print(f"AUC {auc:.4f}")
    assert auc >= 0.97


def test_regression(tmp_path: Path) -> None:
    """Diabetes: RMSE no worse than a ridge regression's 56.5 by more than 5 %."""
    data = load_diabetes()
    given = {"n_epochs": "20", "batch_size": "32"}
    answer, expected, _ = held_out(tmp_path, REGRESSION, data.data, data.target, given)
    found = np.array(answer["prediction"])
    print(f"RMSE {np.sqrt(np.mean((found - expected) ** 2)):.2f}")
    assert np.sqrt(np.mean((found - expected) ** 2)) <= 59.3
    assert r2_score(expected, found) > 0.3
