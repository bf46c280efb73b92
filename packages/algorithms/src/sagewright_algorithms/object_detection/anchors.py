"""The boxes that an SSD starts from: at each cell of each feature map one per size and shape, of ever larger size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

_NARROW, _WIDE = (1.0, 2.0, 1 / 2), (1.0, 2.0, 1 / 2, 3.0, 1 / 3)


@dataclass(frozen=True, slots=True)
class Shapes:
    """The boxes of one cell: squares of each size, and the first size in each other ratio of width to height.

    Sizes are fractions of the image. ``step`` is the distance of two cells, 0 for "as many as fit into the image".
    """

    sizes: tuple[float, float]
    ratios: tuple[float, ...]
    step: float = 0.0

    @property
    def count(self) -> int:
        """Boxes of a cell."""
        return len(self.sizes) + len(self.ratios) - 1


# Sizes, ratios and steps of the SSD that AWS's container is built on (MXNet's example/ssd, symbol_factory).
_SIZES = ((0.1, 0.141), (0.2, 0.272), (0.37, 0.447), (0.54, 0.619), (0.71, 0.79), (0.88, 0.961))
_LARGE_SIZES = ((0.07, 0.1025), (0.15, 0.2121), (0.3, 0.3674), (0.45, 0.5196), (0.6, 0.6708), (0.75, 0.7794), (0.9, 0.9487))
_VGG_STEPS = {300: (8, 16, 32, 64, 100, 300), 512: (8, 16, 32, 64, 128, 256, 512)}


def of_maps(count: int, image_shape: int, steps: bool = False) -> tuple[Shapes, ...]:
    """What each of ``count`` feature maps (6, or 7 for large images) holds. ``steps``: as the VGG network has them."""
    sizes = _LARGE_SIZES if count == len(_LARGE_SIZES) else _SIZES
    narrow = {0, count - 2, count - 1}
    given = _VGG_STEPS.get(image_shape, ()) if steps else ()
    return tuple(
        Shapes(size, _NARROW if place in narrow else _WIDE, given[place] / image_shape if given else 0.0)
        for place, size in enumerate(sizes)
    )


def boxes(maps: Sequence[tuple[int, int]], shapes: Sequence[Shapes]) -> Tensor:
    """``(anchors, 4)`` for feature maps of (height, width), row by row, the boxes of a cell one after another."""
    return torch.cat(
        [grid(height, width, shape.step, _extents(shape)) for (height, width), shape in zip(maps, shapes, strict=True)]
    )


def grid(height: int, width: int, step: float, extents: Sequence[tuple[float, float]]) -> Tensor:
    """Boxes of all ``extents`` (width, height) around the centre of each cell; ``step`` as in Shapes."""
    rows = (torch.arange(height) + 0.5) * (step or 1 / height)
    columns = (torch.arange(width) + 0.5) * (step or 1 / width)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    centres = torch.stack([x, y], dim=-1).reshape(-1, 1, 2)
    halves = torch.tensor(extents).reshape(1, -1, 2) / 2
    return torch.cat([centres - halves, centres + halves], dim=-1).reshape(-1, 4)


def _extents(shapes: Shapes) -> list[tuple[float, float]]:
    first = shapes.sizes[0]
    squares = [(size, size) for size in shapes.sizes]
    return squares + [(first * sqrt(ratio), first / sqrt(ratio)) for ratio in shapes.ratios[1:]]
