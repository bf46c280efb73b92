"""Random Cut Forest finds what the reference finds (algorithms/randomcutforest.json, reference_quality)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from support.ml_root import MlRoot
from support.numpy_jobs import answers, configure, csv

Table = NDArray[Any]


def fit(root: MlRoot, rows: Table, labels: Table, **more: str) -> dict[str, float]:
    """Trains on the rows without, tests on the rows with labels; the test metrics."""
    root.write("input/data/train/rows.csv", csv(rows))
    root.write("input/data/test/rows.csv", csv(np.column_stack([labels, rows])))
    given = {"feature_dim": str(rows.shape[1]), **more}
    configure(root, given, train="text/csv;label_size=0", test="text/csv;label_size=1")
    done = root.train(SAGEWRIGHT_ALGORITHM="randomcutforest")
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: float(value) for name, value in re.findall(r"test (\w+) <score>=(\S+)", done.stdout)}


def scores(root: MlRoot, rows: Table) -> list[float]:
    return [item["score"] for item in json.loads(answers(root, "randomcutforest", rows))["scores"]]


@pytest.fixture
def root(tmp_path: Path) -> MlRoot:
    return MlRoot(tmp_path / "ml")


def test_far_points_of_a_gaussian(root: MlRoot) -> None:
    """20 000 rows in 5 dimensions, 0.3 % far points: AUC at least 0.999, F1 at three standard deviations at least 0.95."""
    random = np.random.default_rng(0)
    rows, labels = random.normal(size=(20_000, 5)), np.zeros(20_000)
    far = random.choice(20_000, 60, replace=False)
    rows[far] = random.choice([-1, 1], (60, 5)) * random.uniform(20, 30, (60, 5))
    labels[far] = 1
    found = fit(root, rows, labels, num_trees="50")
    assert found["f1"] >= 0.95
    assert found["accuracy"] >= 0.999
    some = np.concatenate([far, np.flatnonzero(labels == 0)[:2000]])
    predicted = scores(root, rows[some])
    assert roc_auc_score(labels[some], predicted) >= 0.999
    assert 0.6 < float(np.mean(predicted[60:])) < 1.0


def test_spikes_in_a_sine(root: MlRoot) -> None:
    """Windows of 48 values: AUC at least 0.98 (IsolationForest: 0.72)."""
    random = np.random.default_rng(0)
    series = 10 * np.sin(np.arange(4000) * 2 * np.pi / 48) + random.normal(0, 0.5, 4000)
    spikes = random.choice(np.arange(100, 3900), 12, replace=False)
    series[spikes] += random.choice([-1, 1], 12) * random.uniform(15, 25, 12)
    windows = np.lib.stride_tricks.sliding_window_view(series, 48)
    labels = np.array([((spikes >= start) & (spikes < start + 48)).any() for start in range(len(windows))], float)
    fit(root, windows, labels, num_samples_per_tree="256")
    assert roc_auc_score(labels, scores(root, windows)) >= 0.98


def test_malignant_among_benign(root: MlRoot) -> None:
    """Breast cancer, all benign rows and the first 21 malignant ones, standardised: AUC at least 0.92."""
    data = load_breast_cancer()
    chosen = np.concatenate([np.flatnonzero(data.target == 1), np.flatnonzero(data.target == 0)[:21]])
    rows, labels = data.data[chosen], 1 - data.target[chosen]
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    fit(root, rows, labels)
    assert roc_auc_score(labels, scores(root, rows)) >= 0.92


def test_rows_are_split_between_the_trees(root: MlRoot) -> None:
    """AWS's log: 4032 rows, 50 trees, 512 asked give 80 rows a tree."""
    rows = np.random.default_rng(0).normal(size=(4032, 2))
    root.write("input/data/train/rows.csv", csv(rows))
    given = {"feature_dim": "2", "num_trees": "50", "num_samples_per_tree": "512"}
    configure(root, given, train="text/csv;label_size=0")
    done = root.train(SAGEWRIGHT_ALGORITHM="randomcutforest")
    assert "num_samples_per_tree: 80," in done.stdout


def test_replicated_training_data_is_refused(root: MlRoot) -> None:
    """DG randomcutforest: the train channel supports only ShardedByS3Key."""
    root.write("input/data/train/rows.csv", "1,2\n")
    root.configure({"feature_dim": "2"}, train="text/csv;label_size=0")
    done = root.train(SAGEWRIGHT_ALGORITHM="randomcutforest")
    assert done.returncode == 2
    assert "'FullyReplicated' is not one of ['ShardedByS3Key']" in root.failure()
    assert root.failure().startswith("ClientError: ")


def test_equal_points_do_not_stop_the_growth(root: MlRoot) -> None:
    rows = np.repeat([[1.0, 1.0], [2.0, 1.0]], [300, 3], axis=0)
    fit(root, rows, np.zeros(len(rows)), num_trees="50")
    usual, rare, new = scores(root, np.array([[1.0, 1.0], [2.0, 1.0], [50.0, 1.0]]))
    assert usual < rare < new
