"""Random flips, rotations and zooms of a batch on the device; what comes from outside is the image's reflection, as in Keras."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin

import numpy as np
import torch
from torch.nn import functional

from sagewright_algorithms.image_classification_tf.settings import Augmentation

Matrix = tuple[tuple[float, float, float], tuple[float, float, float]]


def drawn(wanted: Augmentation, random: np.random.Generator) -> Matrix:
    """One image's way from a new pixel back to an old one, in coordinates of -1 to 1."""
    across = -1 if "horizontal" in wanted.flip and random.random() < 0.5 else 1
    down = -1 if "vertical" in wanted.flip and random.random() < 0.5 else 1
    angle = random.uniform(-wanted.rotation, wanted.rotation) * 2 * pi
    zoom = 1 + random.uniform(-wanted.zoom, wanted.zoom)
    a, b = zoom * cos(angle), zoom * sin(angle)
    return ((across * a, across * b, 0.0), (-down * b, down * a, 0.0))


def applied(images: torch.Tensor, matrices: Sequence[Matrix]) -> torch.Tensor:
    """(N, C, H, W), square."""
    size = list(images.shape)
    grid = functional.affine_grid(torch.tensor(matrices, dtype=images.dtype, device=images.device), size, align_corners=False)
    return functional.grid_sample(images, grid, "bilinear", "reflection", align_corners=False)
