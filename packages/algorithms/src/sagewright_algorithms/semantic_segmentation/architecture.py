"""What determines the shape of a segmenter's parameters. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

LAYERS = {"resnet-50": 50, "resnet-101": 101, "resnet-20": 20}
"""By ``backbone``. The last one is ours, for small images: its features are a quarter of the image's size, not an eighth."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """``algorithm`` is fcn, psp or deeplab, ``crop_size`` a multiple of 8."""

    algorithm: str
    backbone: str
    num_classes: int
    crop_size: int
