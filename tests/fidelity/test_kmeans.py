"""K-Means is as good as the reference (algorithms/kmeans.json, reference_quality)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris
from support.ml_root import MlRoot
from support.numpy_jobs import answers, fit

from sagewright_algorithms.common import ndarray_file


def score(lines: list[str], name: str) -> float:
    return float(next(found[1] for line in lines if (found := re.search(rf"test {name} <loss>=(\S+)", line))))


@pytest.mark.parametrize(
    ("more", "must"), [({}, 690.0), ({"epochs": "10", "init_method": "kmeans++"}, 665.0)], ids=["one epoch", "ten epochs"]
)
def test_digits(tmp_path: Path, more: dict[str, str], must: float) -> None:
    """Full Lloyd: 655.8 on average; must be at most 690 after one epoch and 665 after ten with kmeans++."""
    rows = load_digits().data
    root = MlRoot(tmp_path / "ml")
    lines = fit(root, "kmeans", {"k": "10", "feature_dim": "64", **more}, train=rows, test=rows)
    assert score(lines, "msd") <= must
    (centres,) = ndarray_file.load((root.folder / "model" / "model_algo-1").read_bytes()).values()
    assert centres.shape == (10, 64)
    distances = np.square(rows[:, None, :] - centres[None, :, :].astype(float)).sum(axis=2).min(axis=1)
    assert score(lines, "msd") == pytest.approx(distances.mean(), rel=1e-5)


def test_iris_and_the_endpoint(tmp_path: Path) -> None:
    """Reference 0.5257; must be at most 0.54. Answers are those of scikit-learn with the same centres."""
    rows = load_iris().data
    root = MlRoot(tmp_path / "ml")
    lines = fit(root, "kmeans", {"k": "3", "feature_dim": "4", "eval_metrics": '["msd","ssd"]'}, train=rows, test=rows)
    assert score(lines, "msd") <= 0.54
    assert score(lines, "ssd") == pytest.approx(score(lines, "msd") * len(rows))
    (centres,) = ndarray_file.load((root.folder / "model" / "model_algo-1").read_bytes()).values()
    predictions: list[Any] = json.loads(answers(root, "kmeans", rows))["predictions"]
    exact = centres.astype(np.float64)
    reference = KMeans(3, init=exact, n_init=1, max_iter=1).fit(exact)
    assert [item["closest_cluster"] for item in predictions] == reference.predict(rows).tolist()
    distances = [item["distance_to_cluster"] for item in predictions]
    assert distances == pytest.approx(reference.transform(rows).min(axis=1).tolist(), rel=1e-4)
