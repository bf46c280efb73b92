"""The hyperparameters of one job (DG:IC-TF-Hyperparameter). Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.jumpstart import log

ACCURACY = "accuracy"
_TRUE = "True"


@dataclass(frozen=True, slots=True)
class Augmentation:
    """``rotation`` is a share of the circle, ``zoom`` of the height; ``flip`` as in the hyperparameter."""

    flip: str
    rotation: float
    zoom: float


@dataclass(frozen=True, slots=True)
class Settings:
    """``monitor`` is the metric of validation that says which epoch was best; ``patience`` 0 means no early stopping."""

    epochs: int
    batch: int
    seed: int
    split: float
    interpolation: str
    augmentation: Augmentation | None
    binary: bool
    monitor: str
    smoothing: float
    dropout: float
    l2: float
    only_top: bool
    reinitialize: str
    patience: int
    min_delta: float


def read(wanted: Hyperparameters) -> Settings:
    """Raises ClientError."""
    binary, monitor = wanted.text("binary_mode") == _TRUE, wanted.text("eval_metric")
    if monitor != ACCURACY and not binary:
        log.warning(f"eval_metric {monitor} needs binary_mode True: the metric of validation is {ACCURACY}")
        monitor = ACCURACY
    split = wanted.number("validation_split_ratio")
    if split >= 1:
        raise ClientError("validation_split_ratio=1 leaves no images for training")
    return Settings(
        epochs=wanted.integer("epochs"),
        batch=wanted.integer("batch_size"),
        seed=wanted.integer("random_seed"),
        split=split,
        interpolation=wanted.text("image_resize_interpolation"),
        augmentation=_augmentation(wanted),
        binary=binary,
        monitor=monitor,
        smoothing=wanted.number("label_smoothing"),
        dropout=wanted.number("dropout_rate"),
        l2=wanted.number("regularizers_l2"),
        only_top=wanted.text("train_only_top_layer") == _TRUE,
        reinitialize=wanted.text("reinitialize_top_layer"),
        patience=wanted.integer("early_stopping_patience") if wanted.text("early_stopping") == _TRUE else 0,
        min_delta=wanted.number("early_stopping_min_delta"),
    )


def _augmentation(wanted: Hyperparameters) -> Augmentation | None:
    if wanted.text("augmentation") != _TRUE:
        return None
    rotation, zoom = wanted.number("augmentation_random_rotation"), wanted.number("augmentation_random_zoom")
    return Augmentation(wanted.text("augmentation_random_flip"), abs(rotation), abs(zoom))
