"""The parts of Linear Learner: slopes of the losses, thresholds, scaling (algorithms.md 6.1)."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sagewright_algorithms.common.cluster import ALONE
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.ranking import roc_auc
from sagewright_algorithms.linear_learner.losses import chosen
from sagewright_algorithms.linear_learner.models import settings
from sagewright_algorithms.linear_learner.scaling import Scaling
from sagewright_algorithms.linear_learner.selection import Criterion
from sagewright_algorithms.manifest import load

RANDOM = np.random.default_rng(5)


def wanted(kind: str = "regressor", **given: str) -> Hyperparameters:
    return Hyperparameters(load("linear-learner"), {"predictor_type": kind, **given})


LOSSES = [
    ("binary_classifier", "logistic", 1),
    ("binary_classifier", "hinge_loss", 1),
    ("multiclass_classifier", "softmax_loss", 4),
    ("regressor", "squared_loss", 1),
    ("regressor", "absolute_loss", 1),
    ("regressor", "eps_insensitive_squared_loss", 1),
    ("regressor", "eps_insensitive_absolute_loss", 1),
    ("regressor", "quantile_loss", 1),
    ("regressor", "huber_loss", 1),
]


@pytest.mark.parametrize(("kind", "name", "classes"), LOSSES)
def test_slopes_are_those_of_the_loss(kind: str, name: str, classes: int) -> None:
    """Against finite differences."""
    loss = chosen(wanted(kind, loss=name, num_classes="4", quantile="0.3", loss_insensitivity="0.2", huber_delta="0.7"))
    scores = RANDOM.normal(0, 1.5, (40, 3, classes))
    labels = RANDOM.integers(0, max(classes, 2), 40).astype(float)
    _, slopes = loss.evaluate(scores, labels)
    step = 1e-6
    for column in range(classes):
        moved = np.zeros_like(scores)
        moved[..., column] = step
        up, down = loss.evaluate(scores + moved, labels)[0], loss.evaluate(scores - moved, labels)[0]
        assert slopes[..., column] == pytest.approx((up - down) / (2 * step), abs=1e-4)


def test_values_of_losses() -> None:
    """Documented forms: max(0, err² - eps²), pinball, Huber."""
    scores, labels = np.array([[[3.0]]]), np.array([1.0])
    expected = {
        "squared_loss": 4.0,
        "absolute_loss": 2.0,
        "eps_insensitive_squared_loss": 4 - 0.25,
        "eps_insensitive_absolute_loss": 1.5,
        "quantile_loss": 2 * (1 - 0.9),
        "huber_loss": 1 * (2 - 0.5),
    }
    for name, value in expected.items():
        loss = chosen(wanted(loss=name, loss_insensitivity="0.5", quantile="0.9"))
        assert loss.evaluate(scores, labels)[0][0, 0] == pytest.approx(value, rel=1e-6), name


@pytest.mark.parametrize(
    ("criterion", "value", "low", "high"),
    [
        ("accuracy", 5 / 6, 0.2, 0.6),
        ("f_beta", 6 / 7, 0.2, 0.3),
        ("precision_at_target_recall", 0.75, 0.2, 0.3),
        ("recall_at_target_precision", 2 / 3, 0.4, 0.6),
    ],
)
def test_thresholds(criterion: str, value: float, low: float, high: float) -> None:
    """Six rows that can be reckoned by hand."""
    scores = np.array([0.9, 0.6, 0.4, 0.3, 0.2, 0.1], np.float32)
    labels = np.array([1, 1, 0, 1, 0, 0], np.float32)
    cut = Criterion(criterion, 1.0, 0.9, 0.9).best_cut(scores, labels)
    assert cut.value == pytest.approx(value)
    assert low <= cut.threshold <= high


def test_equal_scores_are_cut_together() -> None:
    cut = Criterion("accuracy", 1.0, 0.8, 0.8).best_cut(np.full(4, 0.5, np.float32), np.array([1, 1, 1, 0], np.float32))
    assert (cut.value, cut.threshold) == (0.75, 0.5)


def test_a_target_out_of_reach_gives_the_nearest() -> None:
    scores, labels = np.array([0.9, 0.8, 0.1], np.float32), np.array([0, 1, 0], np.float32)
    cut = Criterion("recall_at_target_precision", 1.0, 0.99, 0.8).best_cut(scores, labels)
    assert 0.1 <= cut.threshold <= 0.8


def test_roc_auc_is_scikit_learns() -> None:
    scores = RANDOM.integers(0, 10, 300).astype(np.float32)
    labels = RANDOM.integers(0, 2, 300).astype(float)
    assert roc_auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert roc_auc(scores, np.ones(300)) == 0.5


def test_folded_weights_give_the_same_scores() -> None:
    rows = RANDOM.normal(5, 3, (50, 4)).astype(np.float32)
    labels = RANDOM.normal(100, 20, 50).astype(np.float32)
    scaling = Scaling.measured(wanted(), rows, labels, ALONE)
    weights, bias = RANDOM.normal(size=(4, 1)).astype(np.float32), np.array([0.3], np.float32)
    scaled = (scaling.features(rows) @ weights + bias) * labels.std() + labels.mean()
    folded, offset = scaling.folded(weights, bias)
    assert rows @ folded + offset == pytest.approx(scaled, rel=1e-4)
    assert scaling.features(rows).mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-5)


def test_the_first_model_has_the_settings_that_were_sent() -> None:
    found = settings(wanted(learning_rate="0.02", wd="0.5", l1="0.25"))
    assert len(found) == 32
    assert (found.rates[0], found.decays[0], found.sparsities[0]) == (np.float32(0.02), np.float32(0.5), np.float32(0.25))
    assert len({*zip(found.rates.tolist(), found.decays.tolist(), found.sparsities.tolist(), strict=True)}) == 32
