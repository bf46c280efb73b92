"""Factorization Machines learn what a linear model cannot (algorithms/factorization-machines.json, reference_quality)."""

from __future__ import annotations

import json
import re
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from support.ml_root import MlRoot
from support.numpy_jobs import configure

from sagewright_algorithms.recordio import Record, Tensor, decode, encode

RECORDIO = "application/x-recordio-protobuf"
Table = NDArray[Any]


def sparse(rows: Table, labels: Table) -> bytes:
    """Records of the entries that are not zero."""

    def record(row: Table, label: float) -> Record:
        keys = np.flatnonzero(row)
        values = Tensor(array("f", row[keys].tolist()), array("I", keys.tolist()), (len(row),))
        return Record({"values": values}, {"values": Tensor(array("f", [label]))})

    return encode(map(record, rows, labels.tolist()))


def fit(root: MlRoot, split: list[Table], **given: str) -> dict[str, float]:
    """The metrics of the test channel."""
    train, test, train_labels, test_labels = split
    root.write("input/data/train/rows", sparse(train, train_labels))
    root.write("input/data/test/rows", sparse(test, test_labels))
    configure(root, {"feature_dim": str(train.shape[1]), **given}, train=RECORDIO, test=RECORDIO)
    done = root.train(SAGEWRIGHT_ALGORITHM="factorization-machines")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return {name: float(value) for name, value in re.findall(r"test (\S+) <\w+>=(\S+)", done.stdout)}


@pytest.fixture
def root(tmp_path: Path) -> MlRoot:
    return MlRoot(tmp_path / "ml")


RATES = {"factors_lr": "0.01", "linear_lr": "0.01", "bias_lr": "0.01"}


def test_ratings(root: MlRoot) -> None:
    """200 users, 150 items, rank 4, noise 0.2: RMSE at most 0.26; what is served says the same."""
    random = np.random.default_rng(0)
    users, items = random.normal(size=(200, 4)) / 2**0.5, random.normal(size=(150, 4)) / 2**0.5
    user, item = random.integers(0, 200, 30_000), random.integers(0, 150, 30_000)
    labels = (users[user] * items[item]).sum(axis=1) + random.normal(0, 0.2, 30_000)
    rows = np.zeros((30_000, 350), np.float32)
    rows[np.arange(30_000), user] = rows[np.arange(30_000), 200 + item] = 1
    split = train_test_split(rows, labels, test_size=0.2, random_state=0)
    more = {"num_factors": "8", "epochs": "20", "mini_batch_size": "500", "factors_init_sigma": "0.1", "factors_wd": "0.0001"}
    found = fit(root, split, predictor_type="regressor", **more, **RATES)
    assert found["rmse"] <= 0.26
    assert found["mse"] == pytest.approx(found["rmse"] ** 2)
    with root.serving(SAGEWRIGHT_ALGORITHM="factorization-machines") as served:
        answer = served.invoke(sparse(split[1], split[3]), RECORDIO, Accept=RECORDIO)
        document = {"data": {"features": {"keys": [3, 207], "shape": [350], "values": [1, 1]}}}
        one = served.invoke(json.dumps({"instances": [document]}).encode(), "application/json")
    scores = np.array([record.label["score"].values[0] for record in decode(answer.body)])
    assert np.sqrt(np.mean((scores - split[3]) ** 2)) == pytest.approx(found["rmse"], rel=1e-4)
    assert abs(json.loads(one.body)["predictions"][0]["score"] - users[3] @ items[7]) < 0.5


@pytest.mark.parametrize(("positive", "accuracy", "f1"), [("zero", 0.99, 0.96), ("even", 0.96, 0.95)])
def test_digits(root: MlRoot, positive: str, accuracy: float, f1: float) -> None:
    """0 against the rest at least 0.99 (F1 0.96), even against odd at least 0.96 (a linear model: 0.902)."""
    rows, digits = load_digits(return_X_y=True)
    labels = (digits == 0 if positive == "zero" else digits % 2 == 0).astype(float)
    split = train_test_split(rows / 16, labels, test_size=0.25, random_state=0, stratify=digits)
    more = {"num_factors": "16", "epochs": "60", "mini_batch_size": "100", "factors_init_sigma": "0.05"}
    found = fit(root, split, predictor_type="binary_classifier", **more, **RATES)
    assert found["binary_classification_accuracy"] >= accuracy
    assert found["binary_f_1.000"] >= f1


def test_a_diverging_model_fails_in_words(root: MlRoot) -> None:
    rows, digits = load_digits(return_X_y=True)
    split = [rows * 1e18, rows[:5], digits.astype(float), digits[:5].astype(float)]
    with pytest.raises(AssertionError):
        fit(root, split, predictor_type="regressor", num_factors="4", epochs="5", factors_lr="500", linear_lr="500")
    assert root.failure().startswith("ClientError: The model diverged")


def test_millions_of_columns_cost_what_their_values_cost(root: MlRoot) -> None:
    """DG fact-machines: made for sparse data, feature_dim 10 000 to 10 000 000."""
    width = 2_000_000
    tensors = [Tensor(array("f", [1.0]), array("I", [number * 7919 % width]), (width,)) for number in range(300)]
    labels = [Tensor(array("f", [float(number % 2)])) for number in range(300)]
    content = encode(Record({"values": row}, {"values": label}) for row, label in zip(tensors, labels, strict=True))
    root.write("input/data/train/rows", content)
    given = {"feature_dim": str(width), "num_factors": "2", "predictor_type": "binary_classifier", **RATES}
    configure(root, given, train=RECORDIO)
    done = root.train(SAGEWRIGHT_ALGORITHM="factorization-machines")
    assert done.returncode == 0, done.stdout + done.stderr
    with root.serving(SAGEWRIGHT_ALGORITHM="factorization-machines") as served:
        answer = served.invoke(encode(Record({"values": row}) for row in tensors), RECORDIO, Accept="application/json")
    assert len(json.loads(answer.body)["predictions"]) == 300
