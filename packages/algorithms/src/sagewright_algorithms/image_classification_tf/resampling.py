"""Resizing under TensorFlow's names of its methods: Pillow's where it has them, a kernel of our own for the others."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from sagewright_algorithms.vision.image import Picture, Pixels, pixels

Doubles = npt.NDArray[np.float64]
_PILLOW = {
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
    "lanczos3": Image.Resampling.LANCZOS,
}


def resized(picture: Picture, side: int, method: str) -> Pixels:
    """A square of this side, whatever the aspect. An image that shrinks is smoothed, which TensorFlow leaves out."""
    if method in _PILLOW:
        return pixels(picture.resize((side, side), _PILLOW[method], reducing_gap=None if method == "nearest" else 2.0))
    table = pixels(picture).astype(np.float64)
    across, down = _weights(picture.width, side, method), _weights(picture.height, side, method)
    found = np.asarray(np.einsum("yh,hwc,xw->yxc", down, table, across, optimize=True), np.float64)
    return np.clip(np.rint(found), 0, 255).astype(np.uint8)


@lru_cache(64)
def _weights(before: int, after: int, method: str) -> Doubles:
    """How much each old pixel counts for each new one: (after, before), rows add up to 1."""
    kernel, radius = _KERNELS[method]
    scale = max(before / after, 1.0)
    centres = (np.arange(after) + 0.5) * before / after
    distances = (np.arange(before)[None, :] + 0.5 - centres[:, None]) / scale
    weights = np.where(np.abs(distances) < radius, kernel(distances), 0.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float64)


def _lanczos5(x: Doubles) -> Doubles:
    return np.asarray(np.sinc(x) * np.sinc(x / 5), np.float64)


def _gaussian(x: Doubles) -> Doubles:
    """TensorFlow's: radius 1.5, sigma 0.5."""
    return np.asarray(np.exp(-2 * x * x), np.float64)


def _mitchell(x: Doubles) -> Doubles:
    """Mitchell and Netravali's cubic with B = C = 1/3."""
    near = np.abs(x)
    inner = (7 * near**3 - 12 * near**2 + 16 / 3) / 6
    outer = (-7 / 3 * near**3 + 12 * near**2 - 20 * near + 32 / 3) / 6
    return np.asarray(np.where(near < 1, inner, outer), np.float64)


_KERNELS: dict[str, tuple[Callable[[Doubles], Doubles], float]] = {
    "lanczos5": (_lanczos5, 5.0),
    "gaussian": (_gaussian, 1.5),
    "mitchellcubic": (_mitchell, 2.0),
}
