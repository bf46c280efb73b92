"""The hyperparameters of one job, checked against one another (DG:IC-Hyperparameter). Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright_algorithms.common import log
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.vision.schedule import steps

_CHANNELS = (1, 3)
_TRANSFERABLE = (18, 34, 50, 101, 152, 200)
AUGMENTATIONS = ("", "crop", "crop_color", "crop_color_transform")


@dataclass(frozen=True, slots=True)
class Settings:
    """``shape`` is channels, height, width; 0 stands for a ``top_k``, ``resize`` or ``checkpoint_frequency`` that is not set."""

    shape: tuple[int, int, int]
    layers: int
    classes: int
    samples: int
    batch: int
    epochs: int
    multi_label: bool
    weighted: bool
    top_k: int
    resize: int
    augmentation: str
    pretrained: bool
    half: bool
    checkpoint_frequency: int
    steps: tuple[int, ...]

    @property
    def crops(self) -> bool:
        """Whether training takes a window at random instead of the middle."""
        return self.augmentation != ""

    @property
    def colours(self) -> bool:
        """Whether hue, saturation and lightness change."""
        return self.augmentation in AUGMENTATIONS[2:] and self.shape[0] == 3

    @property
    def warps(self) -> bool:
        """Whether images are turned, sheared and stretched."""
        return self.augmentation == AUGMENTATIONS[3]

    def report(self, wanted: Hyperparameters) -> None:
        """The block of parameters that AWS's container logs."""
        log.info(f"use_pretrained_model: {int(self.pretrained)}")
        log.info(f"multi_label: {int(self.multi_label)}")
        log.info("---- Parameters ----")
        lines = {"num_layers": self.layers, "data type": wanted.text("precision_dtype"), "epochs": self.epochs}
        lines |= {"image resize size": self.resize} if self.resize else {}
        lines |= {name: wanted.final[name] for name in ("optimizer", "momentum", "weight_decay", "learning_rate")}
        lines |= {"num_training_samples": self.samples, "mini_batch_size": self.batch}
        lines |= {"image_shape": ",".join(map(str, self.shape)), "num_classes": self.classes}
        lines |= {"augmentation_type": self.augmentation or None, "kv_store": wanted.text("kv_store") or "device"}
        lines |= {"top_k": self.top_k} if self.top_k else {}
        for name, value in lines.items():
            log.info(f"{name}: {value}")
        if not self.checkpoint_frequency:
            log.info("checkpoint_frequency not set, will store the best model")
        log.info("--------------------")


def read(wanted: Hyperparameters) -> Settings:
    """Raises ClientError."""
    found = Settings(
        shape=_shape(wanted.text("image_shape")),
        layers=wanted.integer("num_layers"),
        classes=wanted.integer("num_classes"),
        samples=wanted.integer("num_training_samples"),
        batch=wanted.integer("mini_batch_size"),
        epochs=wanted.integer("epochs"),
        multi_label=wanted.flag("multi_label"),
        weighted=wanted.flag("use_weighted_loss"),
        top_k=wanted.integer("top_k", 0),
        resize=wanted.integer("resize", 0),
        augmentation=wanted.text("augmentation_type"),
        pretrained=wanted.flag("use_pretrained_model"),
        half=wanted.text("precision_dtype") == "float16",
        checkpoint_frequency=wanted.integer("checkpoint_frequency", 0),
        steps=steps(wanted.text("lr_scheduler_step")),
    )
    _check(found)
    return found


def _check(found: Settings) -> None:
    if found.checkpoint_frequency > found.epochs:
        raise ClientError(f"checkpoint_frequency={found.checkpoint_frequency} is larger than epochs={found.epochs}")
    if found.pretrained and found.layers not in _TRANSFERABLE:
        raise ClientError(f"use_pretrained_model=1 needs num_layers to be one of {list(_TRANSFERABLE)}, not {found.layers}")
    if found.top_k > found.classes:
        raise ClientError(f"top_k={found.top_k} is larger than num_classes={found.classes}")
    if found.weighted and not found.multi_label:
        raise ClientError("use_weighted_loss=1 needs multi_label=1")


def _shape(text: str) -> tuple[int, int, int]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(part.isdigit() and int(part) for part in parts):
        raise ClientError(f"{text!r} is not a valid image_shape: it is num_channels,height,width such as 3,224,224")
    channels, height, width = (int(part) for part in parts)
    if channels not in _CHANNELS:
        raise ClientError(f"{text!r} is not a valid image_shape: num_channels is 3 (RGB) or 1 (grey)")
    return channels, height, width
