"""The hyperparameters of Object Detection - TensorFlow as a training job needs them. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright_algorithms.common.hyperparameters import Hyperparameters

_TRUE = "True"


@dataclass(frozen=True, slots=True)
class Settings:
    """``patience`` is 0 without early stopping; ``reinitialize`` is Auto, True or False."""

    epochs: int
    batch: int
    patience: int
    min_delta: float
    only_top: bool
    reinitialize: str


def read(wanted: Hyperparameters) -> Settings:
    """Raises ClientError."""
    return Settings(
        epochs=wanted.integer("epochs"),
        batch=wanted.integer("batch_size"),
        patience=wanted.integer("early_stopping_patience") if wanted.text("early_stopping") == _TRUE else 0,
        min_delta=wanted.number("early_stopping_min_delta"),
        only_top=wanted.text("train_only_on_top_layer") == _TRUE,
        reinitialize=wanted.text("reinitialize_top_layer"),
    )
