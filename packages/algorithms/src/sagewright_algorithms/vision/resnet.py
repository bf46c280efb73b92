"""Residual networks of 18 to 200 layers (large images) and 20 to 110 (small ones), with MXNet's structure and names.

Pre-activation units (batch norm, ReLU, convolution), a batch norm of the input, no bias but the classifier's: the form that
MXNet's image classification example has and that ``stage1_unit1_bn1_gamma`` and the like name.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

_EPSILON, _MOMENTUM = 2e-5, 0.1
_LARGE = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}
_FIRST_BOTTLENECK, _FIRST_SMALL_BOTTLENECK = 50, 164
_SMALL_BODY, _SMALL_STEM = 28, 32
"""Up to which height three stages, and a stem of stride 1, are enough."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``units`` of each stage, ``filters`` of the stem and of each stage; ``stem`` is 3 (stride 1) or 7 (stride 2, then a pool)."""

    units: tuple[int, ...]
    filters: tuple[int, ...]
    bottleneck: bool
    stem: int


def plan(layers: int, height: int = 224) -> Plan:
    """The network of so many layers for images of this height. Raises ValueError for a depth that no such network has.

    As in MXNet, images of at most 28 pixels get the small form where the depth allows both (50, 152, 200).
    """
    stem = 3 if height <= _SMALL_STEM else 7
    small = _small(layers, stem)
    if layers in _LARGE and (small is None or height > _SMALL_BODY):
        return _large(layers, stem)
    if small is None:
        raise ValueError(f"there is no residual network of {layers} layers")
    return small


def _large(layers: int, stem: int) -> Plan:
    """Four stages."""
    if layers >= _FIRST_BOTTLENECK:
        return Plan(_LARGE[layers], (64, 256, 512, 1024, 2048), True, stem)
    return Plan(_LARGE[layers], (64, 64, 128, 256, 512), False, stem)


def _small(layers: int, stem: int) -> Plan | None:
    """Three stages of equally many units."""
    if layers >= _FIRST_SMALL_BOTTLENECK and (layers - 2) % 9 == 0:
        return Plan(((layers - 2) // 9,) * 3, (16, 64, 128, 256), True, stem)
    if _FIRST_SMALL_BOTTLENECK > layers > 2 and (layers - 2) % 6 == 0:
        return Plan(((layers - 2) // 6,) * 3, (16, 16, 32, 64), False, stem)
    return None


class ResNet(nn.Module):
    """The body: images (N, C, H, W) of 0 to 255 to feature maps. ``dilated``: this many of the last stages keep the size."""

    def __init__(self, plan: Plan, channels: int = 3, dilated: int = 0) -> None:
        super().__init__()
        self.plan = plan
        self.bn_data = norm(channels)
        self.bn_data.weight.requires_grad_(False)  # MXNet: fix_gamma
        stem = plan.filters[0]
        self.conv0 = nn.Conv2d(channels, stem, plan.stem, 1 if plan.stem == 3 else 2, plan.stem // 2, bias=False)
        if plan.stem == 7:
            self.bn0 = norm(stem)
        self._stages: list[list[str]] = []
        dilation, before = 1, stem
        for number, (units, filters) in enumerate(zip(plan.units, plan.filters[1:], strict=True)):
            stride = 1 if number == 0 else 2
            if number and number >= len(plan.units) - dilated:
                stride, dilation = 1, dilation * 2
            self._stages.append(self._stage(number + 1, units, before, filters, stride, dilation))
            before = filters
        self.bn1 = norm(before)
        self.width = before
        initialise(self)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The last feature map."""
        return self.features(images)[-1]

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The map after each stage (strides 4, 8, 16, 32 with the large stem), the last one normalised and rectified."""
        data = self.conv0(self.bn_data(images))
        if self.plan.stem == 7:
            data = functional.max_pool2d(functional.relu(self.bn0(data)), 3, 2, 1)
        found = []
        for names in self._stages:
            for name in names:
                data = getattr(self, name)(data)
            found.append(data)
        found[-1] = functional.relu(self.bn1(data))
        return found

    def _stage(self, number: int, units: int, before: int, filters: int, stride: int, dilation: int) -> list[str]:
        kind = BottleneckUnit if self.plan.bottleneck else BasicUnit
        names = []
        for unit in range(units):
            name = f"stage{number}_unit{unit + 1}"
            self.add_module(name, kind(filters if unit else before, filters, 1 if unit else stride, dilation, unit == 0))
            names.append(name)
        return names


class Classifier(nn.Module):
    """A body, the mean over the map, a linear layer ``fc1``: the logits."""

    def __init__(self, body: ResNet, classes: int) -> None:
        super().__init__()
        self.body = body
        self.fc1 = nn.Linear(body.width, classes)
        initialise(self.fc1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, classes)."""
        logits: torch.Tensor = self.fc1(self.body(images).mean((2, 3)))
        return logits


class BasicUnit(nn.Module):
    """Two 3x3 convolutions. ``first`` of its stage: the shortcut is a convolution, even where the size stays."""

    def __init__(self, before: int, filters: int, stride: int, dilation: int, first: bool) -> None:
        super().__init__()
        self.bn1 = norm(before)
        self.conv1 = nn.Conv2d(before, filters, 3, stride, dilation, dilation, bias=False)
        self.bn2 = norm(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, dilation, dilation, bias=False)
        self.sc = nn.Conv2d(before, filters, 1, stride, bias=False) if first else None

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        active = functional.relu(self.bn1(data))
        out: torch.Tensor = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        shortcut: torch.Tensor = data if self.sc is None else self.sc(active)
        return out + shortcut


class BottleneckUnit(nn.Module):
    """1x1 to a quarter of the filters, 3x3, 1x1. ``first``: see BasicUnit."""

    def __init__(self, before: int, filters: int, stride: int, dilation: int, first: bool) -> None:
        super().__init__()
        narrow = filters // 4
        self.bn1 = norm(before)
        self.conv1 = nn.Conv2d(before, narrow, 1, bias=False)
        self.bn2 = norm(narrow)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride, dilation, dilation, bias=False)
        self.bn3 = norm(narrow)
        self.conv3 = nn.Conv2d(narrow, filters, 1, bias=False)
        self.sc = nn.Conv2d(before, filters, 1, stride, bias=False) if first else None

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        active = functional.relu(self.bn1(data))
        out: torch.Tensor = self.conv2(functional.relu(self.bn2(self.conv1(active))))
        out = self.conv3(functional.relu(self.bn3(out)))
        shortcut: torch.Tensor = data if self.sc is None else self.sc(active)
        return out + shortcut


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm with MXNet's constants."""
    return nn.BatchNorm2d(channels, _EPSILON, _MOMENTUM)


def initialise(module: nn.Module) -> None:
    """He's initialisation (MXNet: Xavier, gaussian, factor "in", magnitude 2); biases 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
