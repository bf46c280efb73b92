"""The metrics that AWS's container adds to the library's: what scikit-learn computes, in NumPy.

Averages are scikit-learn's: ``precision``, ``recall`` and ``f1_binary`` are of class 1, ``f1`` is the macro average; a class
without predictions counts as 0 (``zero_division``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.xgboost.booster import Predictions
from sagewright_algorithms.xgboost.errors import UserError

Floats = npt.NDArray[np.float64]


def score(metric: str, labels: Floats, predictions: Predictions, objective: str) -> float:
    """``metric``: one of metric_names.CUSTOM; ``predictions``: what the objective gives, not margins. Raises UserError."""
    values = np.asarray(predictions.values, dtype=np.float64)
    if metric in _REGRESSION:
        if predictions.width != 1:
            raise UserError(f"Metric '{metric}' needs one prediction per row, objective {objective} gives {predictions.width}")
        return float(_REGRESSION[metric](labels, values))
    return float(_CLASSIFICATION[metric](labels, _classes(values, predictions.width, objective)))


def _classes(values: Floats, width: int, objective: str) -> Floats:
    if width > 1:
        classes: Floats = values.reshape(-1, width).argmax(axis=1).astype(np.float64)
        return classes
    if objective == "multi:softmax":
        return values
    return np.greater(values, 0.0 if objective == "binary:logitraw" else 0.5).astype(np.float64)


def _mse(labels: Floats, values: Floats) -> float:
    return float(np.mean((labels - values) ** 2))


def _r2(labels: Floats, values: Floats) -> float:
    """1 when both sums are 0 (a constant predicted exactly), 0 when only the labels are constant, as scikit-learn."""
    residual, total = float(np.sum((labels - values) ** 2)), float(np.sum((labels - labels.mean()) ** 2))
    if total == 0:
        return 1.0 if residual == 0 else 0.0
    return 1 - residual / total


def _accuracy(labels: Floats, classes: Floats) -> float:
    return float(np.mean(labels == classes))


def _balanced_accuracy(labels: Floats, classes: Floats) -> float:
    """The mean recall over the classes that occur in the labels."""
    return float(np.mean([np.mean(classes[labels == each] == each) for each in np.unique(labels)]))


def _per_class(labels: Floats, classes: Floats, of: Sequence[float]) -> tuple[Floats, Floats, Floats]:
    """(true positives, predicted, actual) of each class."""
    hits = np.array([np.sum((labels == each) & (classes == each)) for each in of], dtype=np.float64)
    predicted = np.array([np.sum(classes == each) for each in of], dtype=np.float64)
    actual = np.array([np.sum(labels == each) for each in of], dtype=np.float64)
    return hits, predicted, actual


def _ratio(above: Floats, below: Floats) -> Floats:
    quotient = np.zeros_like(above)
    np.divide(above, below, out=quotient, where=below != 0)
    return quotient


def _precision(hits: Floats, predicted: Floats, actual: Floats) -> Floats:
    return _ratio(hits, predicted)


def _recall(hits: Floats, predicted: Floats, actual: Floats) -> Floats:
    return _ratio(hits, actual)


def _f1(hits: Floats, predicted: Floats, actual: Floats) -> Floats:
    return _ratio(2 * hits, predicted + actual)


_Kind = Callable[[Floats, Floats, Floats], Floats]
_Metric = Callable[[Floats, Floats], float]


def _binary(kind: _Kind) -> _Metric:
    def metric(labels: Floats, classes: Floats) -> float:
        if not set(np.unique(labels)) <= {0.0, 1.0} or not set(np.unique(classes)) <= {0.0, 1.0}:
            raise UserError("Target is multiclass but average='binary'. Please choose another average setting.")
        return float(kind(*_per_class(labels, classes, [1.0]))[0])

    return metric


def _macro(kind: _Kind) -> _Metric:
    def metric(labels: Floats, classes: Floats) -> float:
        return float(np.mean(kind(*_per_class(labels, classes, list(np.union1d(labels, classes))))))

    return metric


_REGRESSION: dict[str, _Metric] = {"mse": _mse, "r2": _r2}
_CLASSIFICATION: dict[str, _Metric] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _macro(_f1),
    "f1_binary": _binary(_f1),
    "f1_macro": _macro(_f1),
    "precision": _binary(_precision),
    "precision_macro": _macro(_precision),
    "precision_micro": _accuracy,
    "recall": _binary(_recall),
    "recall_macro": _macro(_recall),
    "recall_micro": _accuracy,
}
