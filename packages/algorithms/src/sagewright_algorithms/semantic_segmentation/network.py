"""A segmenter: a dilated residual network, one of the three decoders, and in training a judge of the features in between."""

from __future__ import annotations

from torch import Tensor, nn

from sagewright_algorithms.semantic_segmentation.architecture import LAYERS, Architecture
from sagewright_algorithms.semantic_segmentation.heads import HEADS, Fcn, resized
from sagewright_algorithms.vision.resnet import ResNet, initialise, plan

_DILATED = 2  # stages that keep the size


class Segmenter(nn.Module):
    """Images ``(N, 3, H, W)`` of 0 to 255 to scores ``(N, classes, H, W)``."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.body = ResNet(plan(LAYERS[architecture.backbone]), dilated=_DILATED)
        before, last = self.body.plan.filters[-2:]
        self.head = HEADS[architecture.algorithm](last, architecture.num_classes)
        self.auxlayer = Fcn(before, architecture.num_classes)
        for part in (self.head, self.auxlayer):
            initialise(part)

    def forward(self, images: Tensor) -> Tensor:
        """The decoder's scores."""
        found: Tensor = self.head(self.body(images))
        return resized(found, images.shape[2:])

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's scores, and those of the judge of the last stage but one."""
        *_, before, last = self.body.features(images)
        size = images.shape[2:]
        return resized(self.head(last), size), resized(self.auxlayer(before), size)
