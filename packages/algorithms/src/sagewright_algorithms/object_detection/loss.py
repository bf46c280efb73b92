"""What a single-shot detector is trained to lower: cross-entropy of the classes plus smooth L1 of the offsets."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from sagewright_algorithms.object_detection.matching import BACKGROUND, IGNORED, match, mined


@dataclass(frozen=True, slots=True)
class Loss:
    """``cross_entropy`` is the mean over the anchors that count, ``smooth_l1`` that over the coordinates of the objects' anchors
    (MXNet's ``normalization='valid'``); ``counted`` and ``objects`` say how many anchors these are."""

    cross_entropy: Tensor
    smooth_l1: Tensor
    counted: int
    objects: int

    @property
    def total(self) -> Tensor:
        """The sum, which gradients are taken of."""
        return self.cross_entropy + self.smooth_l1


def of(logits: Tensor, offsets: Tensor, anchors: Tensor, labels: Tensor) -> Loss:
    """``logits`` and ``offsets`` as the network gives them; ``labels``: ``(images, objects, 5)``, class -1 fills up."""
    targets = match(anchors, labels)
    logarithms = functional.log_softmax(logits, dim=2)
    classes = mined(targets, logarithms[..., BACKGROUND])
    objects = targets.classes > BACKGROUND
    counted, found = int((classes != IGNORED).sum()), int(objects.sum())
    cross_entropy = functional.nll_loss(logarithms.flatten(0, 1), classes.flatten(), ignore_index=IGNORED, reduction="sum")
    smooth_l1 = functional.smooth_l1_loss(offsets[objects], targets.offsets[objects], reduction="sum")
    return Loss(cross_entropy / max(counted, 1), smooth_l1 / max(4 * found, 1), counted, found)
