"""What determines the shape of a detector's parameters. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

VGG, RESNET_50, RESNET_20 = "vgg-16", "resnet-50", "resnet-20"


@dataclass(frozen=True, slots=True)
class Architecture:
    """``image_shape``: pixels of a side. RESNET_20 is ours, for small images; the other two networks are AWS's."""

    base_network: str
    num_classes: int
    image_shape: int
