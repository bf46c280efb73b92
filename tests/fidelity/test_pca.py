"""PCA equals the reference (algorithms/pca.json, reference_quality)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from support.ml_root import MlRoot
from support.numpy_jobs import answers, fit

from sagewright_algorithms.common import ndarray_file

ROWS = load_digits().data
JOB = {"feature_dim": "64", "num_components": "10", "mini_batch_size": "500"}


def model(root: MlRoot) -> dict[str, NDArray[np.float32]]:
    return ndarray_file.load((root.folder / "model" / "model_algo-1").read_bytes())


@pytest.fixture
def root(tmp_path: Path) -> MlRoot:
    return MlRoot(tmp_path / "ml")


def test_regular_equals_scikit_learn(root: MlRoot) -> None:
    """Singular values within 1e-3 relative; the most important component is last; answers are its projections."""
    fit(root, "pca", JOB, train=ROWS)
    reference = PCA(10, svd_solver="full").fit(ROWS)
    arrays = model(root)
    assert list(arrays) == ["mean", "v", "s"]
    assert arrays["s"].tolist() == pytest.approx(reference.singular_values_[::-1].tolist(), rel=1e-4)
    found = np.array([item["projection"] for item in json.loads(answers(root, "pca", ROWS))["projections"]])
    expected = reference.transform(ROWS)[:, ::-1]
    signs = np.sign((found * expected).sum(axis=0))
    assert np.abs(found - expected * signs).max() < 1e-3
    restored = found @ arrays["v"].T + arrays["mean"]
    assert np.square(restored - ROWS).mean() == pytest.approx(4.914, abs=0.01)


def test_randomized_explains_almost_as_much(root: MlRoot) -> None:
    """Explained variance ratio of 0.72 at least (exact: 0.7382)."""
    fit(root, "pca", {**JOB, "algorithm_mode": "randomized"}, train=ROWS)
    arrays = model(root)
    projected = (ROWS - arrays["mean"]) @ arrays["v"]
    assert projected.var(axis=0).sum() / ROWS.var(axis=0).sum() >= 0.72
    assert np.abs(arrays["v"].T @ arrays["v"] - np.eye(10)).max() < 1e-5


def test_without_the_mean(root: MlRoot) -> None:
    fit(root, "pca", {**JOB, "subtract_mean": "false"}, train=ROWS)
    arrays = model(root)
    assert list(arrays) == ["v", "s"]
    assert arrays["s"][-1] == pytest.approx(np.linalg.svd(ROWS, compute_uv=False)[0], rel=1e-5)
