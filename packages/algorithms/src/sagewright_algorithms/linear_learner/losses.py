"""The losses of Linear Learner. Scores are [rows, models, classes]; every loss answers per row and model, with its slope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import AUTO, Hyperparameters
from sagewright_algorithms.common.matrix import Floats, Integers

Evaluate = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""(scores [rows, models, classes], labels [rows]) to (losses [rows, models], slopes like the scores)."""

BINARY, MULTICLASS, REGRESSOR = "binary_classifier", "multiclass_classifier", "regressor"
_AUTO = {BINARY: "logistic", MULTICLASS: "softmax_loss", REGRESSOR: "squared_loss"}
_OF = {
    BINARY: ("logistic", "hinge_loss"),
    MULTICLASS: ("softmax_loss",),
    REGRESSOR: (
        "squared_loss",
        "absolute_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
        "quantile_loss",
        "huber_loss",
    ),
}
_OBJECTIVES = {
    "logistic": "binary_classification_cross_entropy_objective",
    "softmax_loss": "multiclass_cross_entropy_objective",
    "squared_loss": "mse_objective",
}


@dataclass(frozen=True, slots=True)
class Loss:
    """``objective`` is its name in metric lines."""

    name: str
    objective: str
    evaluate: Evaluate


def chosen(wanted: Hyperparameters) -> Loss:
    """The loss of the job. Raises ClientError when it does not fit the predictor type."""
    kind = wanted.text("predictor_type")
    name = wanted.text("loss")
    name = _AUTO[kind] if name == AUTO else name
    if name not in _OF[kind]:
        raise ClientError(f"loss {name} is not supported for predictor_type {kind}, which takes {list(_OF[kind])}")
    return Loss(name, _OBJECTIVES.get(name, f"{name}_objective"), _evaluator(name, wanted))


def _evaluator(name: str, wanted: Hyperparameters) -> Evaluate:
    if name == "logistic":
        return _logistic
    if name == "softmax_loss":
        return _softmax
    if name == "hinge_loss":
        return _hinge(wanted.number("margin"))
    return _of_errors(_ERRORS[name](wanted))


def _logistic(scores: Floats, labels: Floats) -> tuple[Floats, Floats]:
    targets = labels[:, None, None]
    losses = np.logaddexp(0, scores) - targets * scores
    return losses[..., 0], sigmoid(scores) - targets


def _hinge(margin: float) -> Evaluate:
    def evaluate(scores: Floats, labels: Floats) -> tuple[Floats, Floats]:
        signs = (2 * labels - 1)[:, None, None]
        lacks = np.maximum(np.float32(margin) - signs * scores, 0)
        return lacks[..., 0], np.where(lacks > 0, -signs, np.float32(0))

    return evaluate


def _softmax(scores: Floats, labels: Floats) -> tuple[Floats, Floats]:
    probabilities = softmax(scores)
    rows, classes = np.arange(len(labels)), labels.astype(np.int64)
    losses = -np.log(np.maximum(probabilities[rows, :, classes], np.finfo(np.float32).tiny))
    probabilities[rows, :, classes] -= 1
    return losses, probabilities


Curve = Callable[[Floats], tuple[Floats, Floats]]
"""Errors (score less label) to losses and slopes."""


def _of_errors(curve: Curve) -> Evaluate:
    def evaluate(scores: Floats, labels: Floats) -> tuple[Floats, Floats]:
        losses, slopes = curve(scores - labels[:, None, None])
        return losses[..., 0], slopes

    return evaluate


def _squared(wanted: Hyperparameters) -> Curve:
    return lambda errors: (np.square(errors), 2 * errors)


def _absolute(wanted: Hyperparameters) -> Curve:
    return lambda errors: (np.abs(errors), np.sign(errors))


def _insensitive_squared(wanted: Hyperparameters) -> Curve:
    zone = np.float32(wanted.number("loss_insensitivity"))
    return lambda errors: (np.maximum(np.square(errors) - zone * zone, 0), np.where(np.abs(errors) > zone, 2 * errors, 0))


def _insensitive_absolute(wanted: Hyperparameters) -> Curve:
    zone = np.float32(wanted.number("loss_insensitivity"))
    return lambda errors: (np.maximum(np.abs(errors) - zone, 0), np.where(np.abs(errors) > zone, np.sign(errors), 0))


def _quantile(wanted: Hyperparameters) -> Curve:
    level = np.float32(wanted.number("quantile"))
    return lambda errors: (np.maximum(-level * errors, (1 - level) * errors), np.where(errors > 0, 1 - level, -level))


def _huber(wanted: Hyperparameters) -> Curve:
    delta = np.float32(wanted.number("huber_delta"))

    def curve(errors: Floats) -> tuple[Floats, Floats]:
        sizes = np.abs(errors)
        losses = np.where(sizes <= delta, np.square(errors) / 2, delta * (sizes - delta / 2))
        return losses, np.clip(errors, -delta, delta)

    return curve


_ERRORS: dict[str, Callable[[Hyperparameters], Curve]] = {
    "squared_loss": _squared,
    "absolute_loss": _absolute,
    "eps_insensitive_squared_loss": _insensitive_squared,
    "eps_insensitive_absolute_loss": _insensitive_absolute,
    "quantile_loss": _quantile,
    "huber_loss": _huber,
}


def sigmoid(scores: Floats) -> Floats:
    """Probabilities from log odds, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -scores)), scores.dtype)


def softmax(scores: Floats) -> Floats:
    """Probabilities along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def class_weights(wanted: Hyperparameters, labels: Floats, everyones: Floats) -> Floats:
    """The weight of each row in training; how rare a class is, the labels of all hosts say."""
    kind = wanted.text("predictor_type")
    if kind == MULTICLASS and wanted.flag("balance_multiclass_weights"):
        counts: Integers = np.bincount(everyones.astype(np.int64))
        per_class = len(everyones) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        return np.asarray(per_class[labels.astype(np.int64)], np.float32)
    weights = np.ones(len(labels), np.float32)
    if kind == BINARY:
        weights[labels == 1] = _positive_weight(wanted, everyones)
    return weights


def _positive_weight(wanted: Hyperparameters, labels: Floats) -> float:
    if wanted.text("positive_example_weight_mult") == "balanced":
        positives = int((labels == 1).sum())
        return (len(labels) - positives) / max(positives, 1)
    return wanted.number("positive_example_weight_mult", 1.0)
