"""The container's own metrics are scikit-learn's, number for number. Feature row H03."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from sagewright_algorithms.xgboost.booster import Predictions
from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.metric_names import CUSTOM, is_maximized
from sagewright_algorithms.xgboost.metrics import score

Metric = Callable[[Any, Any], float]


def averaged(function: Callable[..., float], average: str) -> Metric:
    return lambda labels, predicted: float(function(labels, predicted, average=average, zero_division=0))


CLASSIFICATION: dict[str, Metric] = {
    "accuracy": reference.accuracy_score,
    "balanced_accuracy": reference.balanced_accuracy_score,
    "f1": averaged(reference.f1_score, "macro"),
    "f1_macro": averaged(reference.f1_score, "macro"),
    "precision_macro": averaged(reference.precision_score, "macro"),
    "precision_micro": averaged(reference.precision_score, "micro"),
    "recall_macro": averaged(reference.recall_score, "macro"),
    "recall_micro": averaged(reference.recall_score, "micro"),
}
BINARY: dict[str, Metric] = {
    "f1_binary": averaged(reference.f1_score, "binary"),
    "precision": averaged(reference.precision_score, "binary"),
    "recall": averaged(reference.recall_score, "binary"),
}
REGRESSION: dict[str, Metric] = {"mse": reference.mean_squared_error, "r2": reference.r2_score}


def test_none_is_left_out() -> None:
    assert {*CLASSIFICATION, *BINARY, *REGRESSION} == set(CUSTOM)


@pytest.mark.parametrize("name", [*CLASSIFICATION, *BINARY])
@pytest.mark.parametrize("seed", range(5))
def test_binary(name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, probability = random.integers(0, 2, 50).astype(float), random.random(50)
    if seed == 4:
        probability[:] = 0.1  # nothing predicted positive
    expected = {**CLASSIFICATION, **BINARY}[name](labels, probability > 0.5)
    assert score(name, labels, Predictions(list(probability), 1), "binary:logistic") == pytest.approx(expected)
    margin = Predictions(list(np.where(probability > 0.5, 2.0, -0.2)), 1)
    assert score(name, labels, margin, "binary:logitraw") == pytest.approx(expected)


@pytest.mark.parametrize("name", CLASSIFICATION)
@pytest.mark.parametrize("seed", range(3))
def test_several_classes(name: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, probability = random.integers(0, 3, 60).astype(float), random.random((60, 4))
    classes = probability.argmax(axis=1)
    with np.errstate(all="ignore"):
        expected = CLASSIFICATION[name](labels, classes) if name != "balanced_accuracy" else None
    found = score(name, labels, Predictions(list(probability.reshape(-1)), 4), "multi:softprob")
    assert expected is None or found == pytest.approx(expected)
    assert found == pytest.approx(score(name, labels, Predictions([float(each) for each in classes], 1), "multi:softmax"))


@pytest.mark.parametrize("name", REGRESSION)
def test_regression(name: str) -> None:
    random = np.random.default_rng(0)
    labels = random.random(40)
    predicted = labels + random.random(40) / 5
    assert score(name, labels, Predictions(list(predicted), 1), "reg:squarederror") == pytest.approx(
        REGRESSION[name](labels, predicted)
    )


def test_constant_labels() -> None:
    constant = np.ones(4)
    assert score("r2", constant, Predictions([1.0] * 4, 1), "reg:squarederror") == reference.r2_score(constant, [1.0] * 4)
    assert score("r2", constant, Predictions([2.0] * 4, 1), "reg:squarederror") == reference.r2_score(constant, [2.0] * 4)


@pytest.mark.parametrize("name", BINARY)
def test_a_binary_average_of_several_classes_is_the_users_fault(name: str) -> None:
    with pytest.raises(UserError, match="Target is multiclass but average='binary'"):
        score(name, np.array([0.0, 1.0, 2.0]), Predictions([0.1] * 9, 3), "multi:softprob")


def test_which_way_is_better() -> None:
    assert [name for name in CUSTOM if not is_maximized(name)] == ["mse"]
    assert is_maximized("auc")
    assert is_maximized("ndcg@5")
    assert not is_maximized("error@0.7")
    assert not is_maximized("logloss")
