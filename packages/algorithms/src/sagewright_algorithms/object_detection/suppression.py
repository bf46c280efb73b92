"""Non-maximum suppression: of boxes of one class that cover each other only the surest stays. For a whole batch at once."""

from __future__ import annotations

import torch
from torch import Tensor

from sagewright_algorithms.object_detection.boxes import overlaps

CANDIDATES = 400  # AWS's nms_topk
_LEAST_SCORE = 0.01


def detections(probabilities: Tensor, boxes: Tensor, threshold: float) -> list[Tensor]:
    """Per image ``(found, 6)`` rows of class, score and corners, surest first.

    ``probabilities``: ``(images, anchors, 1 + classes)`` with background first; ``boxes``: ``(images, anchors, 4)``.
    """
    scores, classes = probabilities[..., 1:].max(dim=2)
    scores, order = scores.topk(min(CANDIDATES, scores.shape[1]), dim=1)
    classes = torch.gather(classes, 1, order)
    boxes = torch.gather(boxes, 1, order[..., None].expand(-1, -1, 4))
    rows = torch.cat([classes[..., None].to(scores.dtype), scores[..., None], boxes], dim=2)
    kept = survivors(boxes, classes, threshold) & (scores > _LEAST_SCORE)
    return [image[stays] for image, stays in zip(rows, kept, strict=True)]


def survivors(boxes: Tensor, classes: Tensor, threshold: float) -> Tensor:
    """Which of the boxes ``(images, n, 4)``, sorted by falling score, no surer survivor of their class covers: ``(images, n)``.

    Instead of going box by box, all are decided at once from the last decision until nothing changes: after k rounds the first k
    are right, and in practice a handful of rounds is enough.
    """
    covers = (overlaps(boxes, boxes) > threshold) & (classes[:, :, None] == classes[:, None, :])
    covers = covers.triu(diagonal=1)
    alive = torch.ones(classes.shape, dtype=torch.bool, device=boxes.device)
    while True:
        after = ~(covers & alive[:, :, None]).any(dim=1)
        if torch.equal(after, alive):
            return alive
        alive = after
