"""The hyperparameters of Object Detection as a training job needs them. Needs no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.object_detection.architecture import RESNET_20, Architecture
from sagewright_algorithms.vision.early_stopping import EarlyStopping
from sagewright_algorithms.vision.schedule import stepped, steps

_SMALLEST_IMAGE = 300  # of AWS's base networks
_NOTHING_FROZEN = ("", "false", "False")


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate falls by ``factor`` after each of the epochs ``at``."""

    rate: float
    factor: float
    at: tuple[int, ...]

    def in_epoch(self, epoch: int) -> float:
        """From 0."""
        return stepped(self.rate, self.factor, self.at, epoch)


@dataclass(frozen=True, slots=True)
class Settings:
    """``nms`` is the overlap above which a box suppresses another, ``overlap`` the one from which a detection is a hit.

    ``frozen`` matches the names of the layers that are not trained; ``label_width`` limits the objects of an image;
    ``stopping`` is None without early stopping.
    """

    architecture: Architecture
    schedule: Schedule
    epochs: int
    stopping: EarlyStopping | None
    nms: float
    overlap: float
    frozen: re.Pattern[str] | None
    label_width: int
    mini_batch_size: int


def read(given: Hyperparameters) -> Settings:
    """Raises ClientError."""
    return Settings(
        architecture=_architecture(given),
        schedule=Schedule(
            given.number("learning_rate"), given.number("lr_scheduler_factor"), steps(given.text("lr_scheduler_step"))
        ),
        epochs=given.integer("epochs"),
        stopping=EarlyStopping.of(given),
        nms=given.number("nms_threshold"),
        overlap=given.number("overlap_threshold"),
        frozen=_pattern(given.text("freeze_layer_pattern")),
        label_width=given.integer("label_width"),
        mini_batch_size=given.integer("mini_batch_size"),
    )


def _architecture(given: Hyperparameters) -> Architecture:
    base, side = given.text("base_network"), given.integer("image_shape")
    if base != RESNET_20 and side < _SMALLEST_IMAGE:
        raise ClientError(
            f"'{side}' is not valid under any of the given schemas: image_shape is {_SMALLEST_IMAGE} or more for {base}; "
            f"base_network={RESNET_20} takes smaller images"
        )
    return Architecture(base, given.integer("num_classes"), side)


def _pattern(text: str) -> re.Pattern[str] | None:
    if text in _NOTHING_FROZEN:
        return None
    try:
        return re.compile(text)
    except re.error as error:
        raise ClientError(
            f"Invalid parameter value 'freeze_layer_pattern': {text!r} is not a regular expression: {error}"
        ) from error
