"""The hyperparameters of Semantic Segmentation as a training job needs them. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.semantic_segmentation.architecture import Architecture
from sagewright_algorithms.vision.early_stopping import EarlyStopping
from sagewright_algorithms.vision.schedule import stepped, steps

_MULTIPLE = 8
_POWER = 0.9


@dataclass(frozen=True, slots=True)
class Schedule:
    """``shape`` is step, poly or cosine; ``at`` the epochs after which a step multiplies the rate by ``factor``."""

    shape: str
    rate: float
    epochs: int
    factor: float
    at: tuple[int, ...]

    def at_point(self, done: float) -> float:
        """The rate after ``done`` epochs (2.5: in the middle of the third)."""
        left = 1 - min(done / self.epochs, 1.0)
        if self.shape == "poly":
            return float(self.rate * left**_POWER)
        if self.shape == "cosine":
            return self.rate * (1 + cos(pi * (1 - left))) / 2
        return stepped(self.rate, self.factor, self.at, int(done))


@dataclass(frozen=True, slots=True)
class Settings:
    """``stopping`` is None without early stopping."""

    architecture: Architecture
    schedule: Schedule
    stopping: EarlyStopping | None
    base_size: int
    mini_batch_size: int
    validation_mini_batch_size: int


def read(given: Hyperparameters) -> Settings:
    """Raises ClientError."""
    crop = -(-given.integer("crop_size") // _MULTIPLE) * _MULTIPLE
    return Settings(
        Architecture(given.text("algorithm"), given.text("backbone"), given.integer("num_classes"), crop),
        _schedule(given),
        EarlyStopping.of(given),
        given.integer("base_size"),
        given.integer("mini_batch_size"),
        given.integer("validation_mini_batch_size"),
    )


def _schedule(given: Hyperparameters) -> Schedule:
    shape, at = given.text("lr_scheduler"), steps(given.text("lr_scheduler_step"))
    if shape == "step" and not at:
        raise ClientError("'lr_scheduler_step' is a required property: lr_scheduler is step")
    return Schedule(shape, given.number("learning_rate"), given.integer("epochs"), given.number("lr_scheduler_factor"), at)
