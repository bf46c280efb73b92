"""The values that SAGEMAKER_INFERENCE_OUTPUT can select, per objective (table of AWS's container)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import Any

from sagewright_algorithms.xgboost.predictor import Traits

Prediction = float | list[float]
_Value = Callable[[Traits, Any], Any]

_REGRESSION = (
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:absoluteerror",
    "reg:gamma",
    "reg:tweedie",
    "count:poisson",
)
_LOGISTIC, _LOGITRAW, _HINGE = "binary:logistic", "binary:logitraw", "binary:hinge"
_SOFTMAX, _SOFTPROB = "multi:softmax", "multi:softprob"


def select(keys: Sequence[str], traits: Traits, prediction: Prediction) -> dict[str, Any]:
    """``prediction`` is what the model gives for one row: a number, or a list with one number per class."""
    return {key: _select(key, traits, prediction) for key in keys}


def _select(key: str, traits: Traits, prediction: Prediction) -> Any:
    if key == "predicted_score":
        return prediction if traits.objective in _REGRESSION else nan
    value = _VALUES.get((key, traits.objective))
    return nan if value is None else value(traits, prediction)


def _two_labels(traits: Traits, prediction: float) -> list[int]:
    return [0, 1]


def _labels(traits: Traits, prediction: Prediction) -> list[int]:
    return list(range(traits.classes))


def _itself(traits: Traits, prediction: Prediction) -> Prediction:
    return prediction


def _highest(traits: Traits, prediction: list[float]) -> float:
    return max(prediction)


def _both(traits: Traits, prediction: float) -> list[float]:
    return [1.0 - prediction, prediction]


def _surer(traits: Traits, prediction: float) -> float:
    return max(1.0 - prediction, prediction)


_VALUES: dict[tuple[str, str], _Value] = {
    ("predicted_label", _LOGISTIC): lambda traits, prediction: int(prediction > 0.5),
    ("predicted_label", _LOGITRAW): lambda traits, prediction: int(prediction > 0),
    ("predicted_label", _HINGE): lambda traits, prediction: int(prediction),
    ("predicted_label", _SOFTMAX): lambda traits, prediction: int(prediction),
    ("predicted_label", _SOFTPROB): lambda traits, prediction: prediction.index(max(prediction)),
    ("labels", _LOGISTIC): _two_labels,
    ("labels", _LOGITRAW): _two_labels,
    ("labels", _HINGE): _two_labels,
    ("labels", _SOFTMAX): _labels,
    ("labels", _SOFTPROB): _labels,
    ("probability", _LOGISTIC): _surer,
    ("probability", _SOFTPROB): _highest,
    ("probabilities", _LOGISTIC): _both,
    ("probabilities", _SOFTPROB): _itself,
    ("raw_score", _LOGISTIC): _itself,
    ("raw_score", _LOGITRAW): _itself,
    ("raw_score", _HINGE): _itself,
    ("raw_score", _SOFTMAX): _itself,
    ("raw_score", _SOFTPROB): _highest,
    ("raw_scores", _LOGISTIC): _both,
    ("raw_scores", _LOGITRAW): _both,
    ("raw_scores", _HINGE): _both,
    ("raw_scores", _SOFTPROB): _itself,
}
