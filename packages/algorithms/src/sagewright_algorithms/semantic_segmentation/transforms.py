"""What becomes of an image and its label image: another view in every pass of training, the same middle in validation.

Scales, crop and mirror are GluonCV's (DG:segmentation-hyperparameters: base_size, crop_size).
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

from sagewright_algorithms.semantic_segmentation.label_map import IGNORED
from sagewright_algorithms.vision import geometry
from sagewright_algorithms.vision.image import Picture

_SMALLEST, _LARGEST = 0.5, 2.0
_FILL = (124, 116, 104)
Pair = tuple[Picture, Picture]


def training(image: Picture, label: Picture, base_size: int, crop_size: int, random: np.random.Generator) -> Pair:
    """Mirrored or not, the long side ``base_size`` times 0.5 to 2, then a square of ``crop_size`` anywhere."""
    if random.random() < 0.5:
        image, label = ImageOps.mirror(image), ImageOps.mirror(label)
    long = random.integers(int(base_size * _SMALLEST), int(base_size * _LARGEST) + 1)
    scale = long / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    image, label = _padded(*_resized(image, label, size), crop_size)
    left, top = (int(random.integers(0, side - crop_size + 1)) for side in image.size)
    box = (left, top, left + crop_size, top + crop_size)
    return image.crop(box), label.crop(box)


def validation(image: Picture, label: Picture, crop_size: int) -> Pair:
    """The short side ``crop_size``, then the middle."""
    width, height = image.size
    scale = crop_size / min(width, height)
    image, label = _resized(image, label, (max(crop_size, round(width * scale)), max(crop_size, round(height * scale))))
    return geometry.centre_crop(image, crop_size, crop_size), geometry.centre_crop(label, crop_size, crop_size)


def scaled(image: Picture, base_size: int) -> Picture:
    """For the endpoint: the long side ``base_size``, the middle of the scales of training."""
    scale = base_size / max(image.size)
    return geometry.stretched(image, max(1, round(image.height * scale)), max(1, round(image.width * scale)))


def _resized(image: Picture, label: Picture, size: tuple[int, int]) -> Pair:
    width, height = size
    if label.size != size:
        label = label.resize(size, Image.Resampling.NEAREST)
    return geometry.stretched(image, height, width), label


def _padded(image: Picture, label: Picture, side: int) -> Pair:
    """At least ``side`` wide and high; what is added belongs to no class."""
    right, below = max(0, side - image.width), max(0, side - image.height)
    if not right and not below:
        return image, label
    border = (0, 0, right, below)
    return ImageOps.expand(image, border, _FILL), ImageOps.expand(label, border, IGNORED)
