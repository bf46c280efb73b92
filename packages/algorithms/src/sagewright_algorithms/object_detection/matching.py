"""Which anchor has to find which object, which has to find nothing, and which does not count (SSD, section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sagewright_algorithms.object_detection.boxes import encode, overlaps

BACKGROUND, IGNORED = 0, -1
_MATCHES_ABOVE = 0.5
_NEGATIVES_PER_POSITIVE = 3


@dataclass(frozen=True, slots=True)
class Targets:
    """For each image and anchor: the class (0 is background) and the offsets, which count where the class is above 0."""

    classes: Tensor
    offsets: Tensor


def match(anchors: Tensor, labels: Tensor) -> Targets:
    """``labels``: ``(images, objects, 5)`` of class and box; class -1 fills up. An object gets its best anchor, and every anchor
    that covers it by more than half. The classes of the rest are 0."""
    classes, boxes = labels[..., 0], labels[..., 1:]
    found = overlaps(anchors.expand(len(labels), -1, -1), boxes)
    found.masked_fill_(classes[:, None, :] < 0, -1.0)
    best, chosen = found.max(dim=2) if labels.shape[1] else (found.new_zeros(found.shape[:2]), None)
    if chosen is None:
        return Targets(torch.zeros_like(best, dtype=torch.long), torch.zeros_like(anchors).expand(len(labels), -1, -1))
    positive = best > _MATCHES_ABOVE
    _give_each_its_best(found, positive, chosen)
    picked = torch.gather(boxes, 1, chosen[..., None].expand(-1, -1, 4))
    names = torch.gather(classes, 1, chosen).long() + 1
    return Targets(torch.where(positive, names, BACKGROUND), encode(anchors, picked))


def _give_each_its_best(found: Tensor, positive: Tensor, chosen: Tensor) -> None:
    """The largest overlap of all first; then that anchor and that object are out. Overwrites all three."""
    images, _, objects = found.shape
    here = torch.arange(images, device=found.device)
    for _ in range(objects):
        best, place = found.flatten(1).max(dim=1)
        anchor, object_ = place // objects, place % objects
        real = best > 0
        rows, at, to = here[real], anchor[real], object_[real]
        positive[rows, at] = True
        chosen[rows, at] = to
        found[rows, at, :] = -1.0
        found[rows, :, to] = -1.0


def mined(targets: Targets, background: Tensor) -> Tensor:
    """The classes with all but the hardest background anchors ignored: three for each object's anchor.

    ``background``: the log-probability that an anchor sees nothing, ``(images, anchors)``; the lower the harder.
    """
    positive = targets.classes > BACKGROUND
    wanted = positive.sum(dim=1, keepdim=True) * _NEGATIVES_PER_POSITIVE
    order = background.detach().masked_fill(positive, torch.inf).argsort(dim=1)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
    return torch.where(positive | (rank < wanted), targets.classes, IGNORED)
