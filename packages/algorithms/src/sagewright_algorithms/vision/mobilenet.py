"""MobileNet V2: inverted residuals of depthwise convolutions (Sandler et al. 2018), in any width."""

from __future__ import annotations

import torch
from torch import nn

from sagewright_algorithms.vision.resnet import initialise

# Expansion, filters, units, stride of the first unit (table 2 of the paper).
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_STEM, _LAST, _MULTIPLE = 32, 1280, 8
_EPSILON, _MOMENTUM = 1e-3, 0.1


class MobileNetV2(nn.Module):
    """Images (N, 3, H, W) of 0 to 255 to a feature map of stride 32 with ``width`` channels (1280; more when wide)."""

    def __init__(self, multiplier: float) -> None:
        super().__init__()
        before = filters(_STEM * multiplier)
        parts: list[nn.Module] = [_convolved(3, before, 3, 2)]
        for expansion, count, units, stride in _STAGES:
            after = filters(count * multiplier)
            for unit in range(units):
                parts.append(InvertedResidual(before, after, expansion, stride if unit == 0 else 1))
                before = after
        self.width = filters(_LAST * max(multiplier, 1.0))
        self.parts = nn.Sequential(*parts, _convolved(before, self.width, 1))
        initialise(self)
        for part in parts:
            if isinstance(part, InvertedResidual):
                part.begin_as_identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The last feature map; pixels are brought to -1 to 1 first."""
        found: torch.Tensor = self.parts(images / 127.5 - 1)
        return found


class InvertedResidual(nn.Module):
    """1x1 to ``expansion`` times as many channels, 3x3 on each by itself, 1x1 back without an activation."""

    def __init__(self, before: int, after: int, expansion: int, stride: int) -> None:
        super().__init__()
        wide = before * expansion
        parts = [] if expansion == 1 else [_convolved(before, wide, 1)]
        parts.append(_convolved(wide, wide, 3, stride, groups=wide))
        self.parts = nn.Sequential(*parts, nn.Conv2d(wide, after, 1, bias=False), _norm(after))
        self._shortcut = stride == 1 and before == after

    def begin_as_identity(self) -> None:
        """A unit with a shortcut first passes its input on: from random weights, a deep network learns much sooner so."""
        last = self.parts[-1]
        if self._shortcut and isinstance(last, nn.BatchNorm2d):
            nn.init.zeros_(last.weight)

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.parts(data)
        return data + out if self._shortcut else out


def filters(count: float) -> int:
    """The nearest multiple of 8 that loses no more than a tenth."""
    rounded = max(_MULTIPLE, int(count + _MULTIPLE / 2) // _MULTIPLE * _MULTIPLE)
    return rounded + _MULTIPLE if rounded < 0.9 * count else rounded


def _convolved(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, _norm(after), nn.ReLU6())


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, _EPSILON, _MOMENTUM)
