"""The decoders: from the feature maps of a dilated residual network to scores of classes.

FCN (Long et al. 2015), PSP (Zhao et al. 2017) and DeepLab v3 (Chen et al. 2017), with the widths that GluonCV, on which AWS's
container is built, gives them: a quarter of the features, and 256 in DeepLab.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_NARROWEST = 64
_DROPOUT, _ASPP_DROPOUT = 0.1, 0.5
_PYRAMID = (1, 2, 3, 6)
_RATES = (12, 24, 36)  # of DeepLab, for features of an eighth of the image
_ASPP_WIDTH = 256


class SteadyNorm(nn.BatchNorm2d):
    """A batch norm that uses what it has counted so far where a batch has a single value per channel, and so no variance."""

    def forward(self, data: Tensor) -> Tensor:
        """As nn.BatchNorm2d."""
        if self.training and data.numel() == data.shape[1]:
            return functional.batch_norm(
                data, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        return super().forward(data)


def convolved(before: int, after: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    """Convolution, norm, ReLU; the size stays."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, padding=padding, dilation=dilation, bias=False), SteadyNorm(after), nn.ReLU()
    )


class Fcn(nn.Sequential):
    """A convolution over the features, then one to scores. It also judges the features of the last stage but one in training."""

    def __init__(self, features: int, classes: int) -> None:
        width = max(features // 4, _NARROWEST)
        super().__init__(convolved(features, width, 3), nn.Dropout(_DROPOUT), nn.Conv2d(width, classes, 1))


class Psp(nn.Module):
    """The features beside their means over ever finer grids of the image."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        width = max(features // 4, _NARROWEST)
        part = max(features // len(_PYRAMID), _NARROWEST // len(_PYRAMID))
        self.levels = nn.ModuleList(convolved(features, part, 1) for _ in _PYRAMID)
        self.block = nn.Sequential(
            convolved(features + part * len(_PYRAMID), width, 3), nn.Dropout(_DROPOUT), nn.Conv2d(width, classes, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Scores of the features' size."""
        size = features.shape[2:]
        means = [
            level(functional.adaptive_avg_pool2d(features, side)) for side, level in zip(_PYRAMID, self.levels, strict=True)
        ]
        found: Tensor = self.block(torch.cat([features, *(resized(mean, size) for mean in means)], dim=1))
        return found


class DeepLab(nn.Module):
    """Atrous spatial pyramid pooling: the features seen at four distances, and their mean over the image."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        width = min(_ASPP_WIDTH, max(features, _NARROWEST))
        self.near = convolved(features, width, 1)
        self.far = nn.ModuleList(convolved(features, width, 3, rate) for rate in _RATES)
        self.whole = convolved(features, width, 1)
        self.project = nn.Sequential(convolved(width * (len(_RATES) + 2), width, 1), nn.Dropout(_ASPP_DROPOUT))
        self.block = nn.Sequential(convolved(width, width, 3), nn.Dropout(_DROPOUT), nn.Conv2d(width, classes, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Scores of the features' size."""
        whole = resized(self.whole(functional.adaptive_avg_pool2d(features, 1)), features.shape[2:])
        parts = [self.near(features), *(branch(features) for branch in self.far), whole]
        found: Tensor = self.block(self.project(torch.cat(parts, dim=1)))
        return found


HEADS = {"fcn": Fcn, "psp": Psp, "deeplab": DeepLab}


def resized(data: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    """Bilinear, to (height, width)."""
    return functional.interpolate(data, (int(size[0]), int(size[1])), mode="bilinear", align_corners=False)
