"""Predictions for whatever rows have arrived: one native call for all dense rows, one for all sparse rows, per model."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from sagewright_algorithms.xgboost.booster import Booster, Predictions, predict_config
from sagewright_algorithms.xgboost.rows import DenseRows, Rows

_VOTED = ("multi:softmax", "binary:hinge")
_PREDICT = predict_config()
_WRONG = "Feature size of {} inference data {} is {} feature size of trained model {}."


class WrongFeaturesError(ValueError):
    """The rows do not have the features the model was trained with; AWS's wording."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What the answers depend on: the objective, the number of classes (0 unless multi-class) and of features."""

    objective: str
    classes: int
    columns: int


class Predictor:
    """One model, or the folds of a cross-validation as an ensemble."""

    def __init__(self, models: Sequence[Booster]) -> None:
        self._models = models
        for model in models:
            model.set_parameter("nthread", "1")
        self.traits = _traits(models[0])

    def fitted(self, rows: Rows, content: str) -> Rows:
        """The rows with the model's number of columns. Raises WrongFeaturesError (rules of AWS's container, kept).

        CSV may lack the last column. libsvm may have one more: those indices count from 1 and are shifted.
        """
        wanted, given = self.traits.columns, rows.columns
        if isinstance(rows, DenseRows):
            if given == wanted:
                return rows
            if given != wanted - 1:
                raise WrongFeaturesError(_WRONG.format(content, given, "not consistent with", wanted))
            return _with_missing_column(rows)
        if given > wanted + 1 or (given == wanted + 1 and min(rows.indices) == 0):
            raise WrongFeaturesError(_WRONG.format(content, given, "larger than", wanted))
        if given == wanted + 1:
            rows.indices = array("I", [index - 1 for index in rows.indices])
        return rows

    def predict(self, rows: Rows) -> Predictions:
        """Of rows that ``fitted`` returned; the mean of the models, or the most frequent class where they answer classes."""
        answers = [_predict_one(model, rows, self.traits.columns) for model in self._models]
        if len(answers) == 1:
            return answers[0]
        columns = zip(*[answer.values for answer in answers], strict=True)
        if self.traits.objective in _VOTED:
            return Predictions([Counter(votes).most_common(1)[0][0] for votes in columns], answers[0].width)
        return Predictions([sum(values) / len(values) for values in columns], answers[0].width)


def _predict_one(model: Booster, rows: Rows, columns: int) -> Predictions:
    if isinstance(rows, DenseRows):
        return model.predict_dense(rows.values, columns, _PREDICT)
    return model.predict_csr(rows.starts, rows.indices, rows.values, columns, _PREDICT)


def _with_missing_column(rows: DenseRows) -> DenseRows:
    values = array("d")
    for start in range(0, len(rows.values), rows.columns or 1):
        values.extend(rows.values[start : start + rows.columns])
        values.append(nan)
    return DenseRows(values, rows.columns + 1)


def _traits(model: Booster) -> Traits:
    learner: dict[str, Any] = model.configuration()["learner"]  # type: ignore[assignment]
    classes = int(learner["learner_model_param"].get("num_class", "0"))
    return Traits(str(learner["objective"]["name"]), classes, model.columns())
