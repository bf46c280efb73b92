"""Resizing, cropping and turning of images; every random step draws from the generator it is given."""

from __future__ import annotations

from math import cos, radians, sin, sqrt

import numpy as np
from PIL import Image, ImageOps

from sagewright_algorithms.vision.image import Picture

_BILINEAR = Image.Resampling.BILINEAR
_GREY = (128, 128, 128)
_REDUCING_GAP = 2.0  # a box filter brings a much larger image near first; the difference cannot be seen


def with_shorter_side(picture: Picture, side: int) -> Picture:
    """Keeps the aspect; the shorter side gets ``side`` pixels."""
    width, height = picture.size
    scale = side / min(width, height)
    return stretched(picture, max(side, round(height * scale)), max(side, round(width * scale)))


def stretched(picture: Picture, height: int, width: int) -> Picture:
    """Exactly this size, whatever the aspect."""
    if picture.size == (width, height):
        return picture
    return picture.resize((width, height), _BILINEAR, reducing_gap=_REDUCING_GAP)


def centre_crop(picture: Picture, height: int, width: int) -> Picture:
    """The middle. The image must be at least as large."""
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return _cropped(picture, left, top, height, width)


def random_crop(picture: Picture, height: int, width: int, random: np.random.Generator) -> Picture:
    """A window anywhere. The image must be at least as large."""
    left = int(random.integers(0, picture.width - width + 1))
    top = int(random.integers(0, picture.height - height + 1))
    return _cropped(picture, left, top, height, width)


def maybe_mirrored(picture: Picture, random: np.random.Generator) -> Picture:
    """Left and right exchanged in one case of two."""
    return ImageOps.mirror(picture) if random.random() < 0.5 else picture


def warped(
    picture: Picture, random: np.random.Generator, angle: float = 10, shear: float = 0.1, aspect: float = 0.25
) -> Picture:
    """Turned by up to ``angle`` degrees, sheared and stretched by up to the given ratios; what comes from outside is grey.

    The size stays. The limits are those of MXNet's augmentation level 3, which crop_color_transform names.
    """
    turn = radians(random.uniform(-angle, angle))
    slant = random.uniform(-shear, shear)
    ratio = sqrt(1 + random.uniform(-aspect, aspect))
    # Pillow wants the way back, from output to input: turn, shear, stretch around the centre.
    a, b = cos(turn) / ratio, (sin(turn) + slant * cos(turn)) * ratio
    d, e = -sin(turn) / ratio, (cos(turn) - slant * sin(turn)) * ratio
    x, y = picture.width / 2, picture.height / 2
    matrix = (a, b, x - a * x - b * y, d, e, y - d * x - e * y)
    fill = _GREY if picture.mode == "RGB" else 0
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, _BILINEAR, fillcolor=fill)


def _cropped(picture: Picture, left: int, top: int, height: int, width: int) -> Picture:
    if picture.size == (width, height):
        return picture
    return picture.crop((left, top, left + width, top + height))
