"""The hyperparameters of a job, checked and as numbers (DG:deepar_hyperparameters)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import AUTO, Hyperparameters
from sagewright_algorithms.forecasting_deepar.frequency import Frequency

IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Settings:
    """``cardinality`` and ``num_dynamic_feat`` are a value, AUTO or IGNORE; ``patience`` is None without early stopping."""

    time_freq: str
    context_length: int
    prediction_length: int
    epochs: int
    cardinality: str | tuple[int, ...]
    num_dynamic_feat: str | int
    patience: int | None
    quantiles: tuple[float, ...]
    likelihood: str
    mini_batch_size: int
    learning_rate: float
    dropout_rate: float
    num_cells: int
    num_layers: int
    embedding_dimension: int
    num_eval_samples: int

    @classmethod
    def of(cls, wanted: Hyperparameters) -> Settings:
        """Raises ClientError."""
        patience, features = wanted.text("early_stopping_patience"), wanted.text("num_dynamic_feat")
        return cls(
            time_freq=_time_freq(wanted.text("time_freq")),
            cardinality=_cardinality(wanted.text("cardinality")),
            num_dynamic_feat=int(features) if features.isdigit() else features or IGNORE,
            patience=int(patience) if patience else None,
            quantiles=_quantiles(wanted.text("test_quantiles")),
            likelihood=wanted.text("likelihood").lower(),
            learning_rate=wanted.number("learning_rate"),
            dropout_rate=wanted.number("dropout_rate"),
            **{name: wanted.integer(name) for name in _INTEGERS},
        )

    @property
    def frequency(self) -> Frequency:
        """Of the steps."""
        return Frequency.parse(self.time_freq)


_INTEGERS = (
    "context_length",
    "prediction_length",
    "epochs",
    "mini_batch_size",
    "num_cells",
    "num_layers",
    "embedding_dimension",
    "num_eval_samples",
)


def _time_freq(text: str) -> str:
    try:
        Frequency.parse(text)
    except ValueError as error:
        raise ClientError(f"{error}: time_freq") from error
    return text


def _cardinality(text: str) -> str | tuple[int, ...]:
    """An empty list or text: no categories."""
    if text in (AUTO, IGNORE, ""):
        return text or IGNORE
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or any(isinstance(item, bool) or not isinstance(item, int) or item < 1 for item in found):
        raise ClientError(
            f"{text!r} is not valid under any of the given schemas: cardinality is auto, ignore, empty or a list such as [2, 3]"
        )
    return tuple(found) or IGNORE


def _quantiles(text: str) -> tuple[float, ...]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(item, int | float) and 0 < item < 1 for item in found):
        raise ClientError(
            f"{text!r} is not valid under any of the given schemas: test_quantiles is a list of numbers between 0 and 1"
        )
    return tuple(float(item) for item in found)
