"""k-NN equals brute force, and its approximate indexes come close (algorithms/knn.json, reference_quality)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from support.ml_root import MlRoot
from support.numpy_jobs import answers, fit

Table = NDArray[Any]
DIGITS = load_digits()
SPLIT = train_test_split(DIGITS.data, DIGITS.target, test_size=0.25, random_state=0, stratify=DIGITS.target)
JOB = {"feature_dim": "64", "k": "10", "sample_size": "10000", "predictor_type": "classifier"}


@pytest.fixture
def root(tmp_path: Path) -> MlRoot:
    return MlRoot(tmp_path / "ml")


def trained(root: MlRoot, job: dict[str, str], split: list[Table]) -> dict[str, float]:
    """The metrics of the test channel."""
    train, test, train_labels, test_labels = split
    tables = {"train": np.column_stack([train_labels, train]), "test": np.column_stack([test_labels, test])}
    lines = fit(root, "knn", job, label_size=1, **tables)
    return {name: float(value) for name, value in re.findall(r"test (\S+) <\w+>=(\S+)", "\n".join(lines))}


def test_flat_equals_brute_force(root: MlRoot) -> None:
    """Digits, k=10: accuracy 0.9756, label by label; verbose answers name the neighbours."""
    found = trained(root, JOB, SPLIT)
    reference = KNeighborsClassifier(10, algorithm="brute").fit(SPLIT[0], SPLIT[2])
    assert found["accuracy"] == pytest.approx(reference.score(SPLIT[1], SPLIT[3]))
    assert found["accuracy"] == pytest.approx(0.9756, abs=1e-4)
    predictions = json.loads(answers(root, "knn", SPLIT[1], Accept="application/json; verbose=true"))["predictions"]
    assert [item["predicted_label"] for item in predictions] == reference.predict(SPLIT[1]).tolist()
    distances, _ = reference.kneighbors(SPLIT[1])
    assert np.sqrt([item["distances"] for item in predictions]) == pytest.approx(distances, rel=1e-5)
    assert all(len(item["labels"]) == 10 for item in predictions)


@pytest.mark.parametrize(
    "more",
    [
        {"index_type": "faiss.IVFFlat"},
        {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "8"},
        {"index_metric": "COSINE"},
        {"dimension_reduction_type": "sign", "dimension_reduction_target": "48"},
        {"dimension_reduction_type": "fjlt", "dimension_reduction_target": "48"},
    ],
    ids=lambda more: "-".join(more.values()),
)
def test_approximations_come_close(root: MlRoot, more: dict[str, str]) -> None:
    """At least 0.96 for the inverted lists; the others may not lose more than they must."""
    found = trained(root, {**JOB, **more}, SPLIT)
    assert found["accuracy"] >= (0.96 if "index_type" in more or "index_metric" in more else 0.93)
    assert found["macro_f_1.000"] == pytest.approx(found["accuracy"], abs=0.01)
    predictions = json.loads(answers(root, "knn", SPLIT[1]))["predictions"]
    assert np.mean([item["predicted_label"] for item in predictions] == SPLIT[3]) == pytest.approx(found["accuracy"])


def test_regression(root: MlRoot) -> None:
    data = load_diabetes()
    split = train_test_split(data.data, data.target, test_size=0.25, random_state=0)
    found = trained(root, {"feature_dim": "10", "k": "7", "sample_size": "1000", "predictor_type": "regressor"}, split)
    predicted = KNeighborsRegressor(7, algorithm="brute").fit(split[0], split[2]).predict(split[1])
    assert found == {"mse": pytest.approx(np.square(predicted - split[3]).mean(), rel=1e-4)}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "8", "index_metric": "COSINE"}, "is not supported for index_type"),
        ({"index_type": "faiss.IVFPQ"}, "'faiss_index_pq_m' is a required property"),
        ({"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "5"}, "'5' is not valid under any of the given schemas"),
        ({"index_type": "faiss.IVFFlat", "faiss_index_ivf_nlists": "5000"}, "this index needs 5000 at least"),
        ({"dimension_reduction_type": "sign", "dimension_reduction_target": "64"}, "must be smaller than feature_dim"),
        ({"dimension_reduction_type": "sign"}, "'dimension_reduction_target' is a required property"),
        ({"k": "1348"}, "is larger than the number of sampled training records"),
        ({"sample_size": "9"}, "is larger than the number of sampled training records 9"),
    ],
)
def test_what_cannot_be_trained(root: MlRoot, more: dict[str, str], message: str) -> None:
    with pytest.raises(AssertionError):
        trained(root, {**JOB, **more}, SPLIT)
    assert root.failure().startswith("ClientError: ")
    assert message in root.failure()
