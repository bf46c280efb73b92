"""Scores and labels of a linear model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.linear_learner.artifact import LinearModel
from sagewright_algorithms.linear_learner.losses import BINARY, MULTICLASS, sigmoid, softmax


def scores(model: LinearModel, rows: Floats) -> Floats:
    """[rows] for two classes (a probability, or a margin for hinge loss) and regression, [rows, classes] for more."""
    raw = activated(model.loss, rows @ model.weights + model.bias)
    return raw if model.predictor_type == MULTICLASS else raw[:, 0]


def labels(model: LinearModel, found: Floats) -> npt.NDArray[np.int64] | None:
    """From scores; None for regression."""
    if model.predictor_type == BINARY:
        return (found >= model.threshold).astype(np.int64)
    return found.argmax(axis=1).astype(np.int64) if model.predictor_type == MULTICLASS else None


def activated(loss: str, raw: Floats) -> Floats:
    """What the loss makes of the linear part, along the last axis."""
    if loss == "logistic":
        return sigmoid(raw)
    return softmax(raw) if loss == "softmax_loss" else raw
