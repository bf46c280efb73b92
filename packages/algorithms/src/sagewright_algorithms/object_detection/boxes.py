"""Boxes as tensors ``(…, 4)`` of corners xmin, ymin, xmax, ymax, in fractions of the image; their overlap and their code.

An anchor and a box are told apart by four offsets: centre (in units of the anchor's size) and size (as a logarithm), divided by
VARIANCES so that each is about as large as the others (Liu et al., "SSD: Single Shot MultiBox Detector", 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor

VARIANCES = (0.1, 0.1, 0.2, 0.2)
_TINY = 1e-6
_LARGEST_LOGARITHM = 10.0  # e^(10 * 0.2) anchors wide is more than any image; a random network must not answer infinity


def area(boxes: Tensor) -> Tensor:
    """``(…)``: 0 for what has no extent."""
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0) * (boxes[..., 3] - boxes[..., 1]).clamp(min=0)


def overlaps(left: Tensor, right: Tensor) -> Tensor:
    """Intersection over union of each with each: ``(…, n, 4)`` and ``(…, m, 4)`` to ``(…, n, m)``."""
    low = torch.maximum(left[..., :, None, :2], right[..., None, :, :2])
    high = torch.minimum(left[..., :, None, 2:], right[..., None, :, 2:])
    common = (high - low).clamp_(min=0).prod(dim=-1)
    return common / (area(left)[..., :, None] + area(right)[..., None, :] - common).clamp_(min=_TINY)


def encode(anchors: Tensor, boxes: Tensor) -> Tensor:
    """The offsets that lead from each anchor to its box; both ``(…, 4)``."""
    size, wanted = _size(anchors), _size(boxes)
    shift = (_centre(boxes) - _centre(anchors)) / size
    stretch = torch.log(wanted / size)
    return torch.cat([shift, stretch], dim=-1) / anchors.new_tensor(VARIANCES)


def decode(anchors: Tensor, offsets: Tensor) -> Tensor:
    """The boxes that offsets mean, cut at the image's edges."""
    scaled = offsets * anchors.new_tensor(VARIANCES)
    size = _size(anchors)
    centre = _centre(anchors) + scaled[..., :2] * size
    half = torch.exp(scaled[..., 2:].clamp(max=_LARGEST_LOGARITHM)) * size / 2
    return torch.cat([centre - half, centre + half], dim=-1).clamp_(0, 1)


def _centre(boxes: Tensor) -> Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _size(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=_TINY)
