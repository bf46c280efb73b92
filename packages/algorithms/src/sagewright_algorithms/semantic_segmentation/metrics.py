"""How good masks are: mean intersection over union of the classes, share of right pixels."""

from __future__ import annotations

import torch
from torch import Tensor


class Confusion:
    """Counts of (labelled, found) pairs of classes."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._counts = torch.zeros(classes, classes, dtype=torch.long)

    def add(self, found: Tensor, labels: Tensor) -> None:
        """Class ids of the same shape; labels that are no class (255) do not count."""
        counted = labels < self._classes
        pairs = labels[counted].long() * self._classes + found[counted].long()
        self._counts += torch.bincount(pairs, minlength=self._classes**2).view(self._classes, self._classes).cpu()

    def pixel_accuracy(self) -> float:
        """0 when nothing was counted."""
        return float(self._counts.diagonal().sum() / max(int(self._counts.sum()), 1))

    def mean_iou(self) -> float:
        """Over the classes that are labelled or found somewhere."""
        common = self._counts.diagonal().double()
        either = self._counts.sum(0) + self._counts.sum(1) - self._counts.diagonal()
        seen = either > 0
        return float((common[seen] / either[seen]).mean()) if seen.any() else 0.0
