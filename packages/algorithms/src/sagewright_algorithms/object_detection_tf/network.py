"""A single-shot detector on a feature pyramid (Lin et al. 2017): coarse maps are added to finer ones, one predictor serves all.

Levels, anchors and widths are those of TensorFlow's Model Garden; what is trained is SSD's loss (object_detection.loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagewright_algorithms.object_detection import anchors
from sagewright_algorithms.object_detection_tf.forms import MOBILENET, Form
from sagewright_algorithms.vision.mobilenet import MobileNetV2
from sagewright_algorithms.vision.resnet import ResNet, initialise, plan

_LEVELS = 5  # cells of 8 to 128 pixels
_FIRST_CELL = 8
_ANCHOR_CELLS = 4.0  # a level's smallest anchor is four of its cells wide
_OCTAVES = (1.0, 2**0.5)
_RATIOS = (1.0, 2.0, 0.5)
_PREDICTION_DEVIATION = 0.01
_MOBILENET_TAPS, _MOBILENET_WIDTHS = (6, 13, 18), (32, 96, 1280)


class PyramidDetector(nn.Module):
    """Images ``(N, 3, side, side)`` of 0 to 255 to what each anchor sees, as ``object_detection.network.Detector``."""

    anchors: Tensor

    def __init__(self, form: Form, classes: int) -> None:
        super().__init__()
        self.form, self._classes = form, classes
        self.body = MobileNetV2(1.0) if form.backbone == MOBILENET else ResNet(plan(int(form.backbone)))
        widths = _MOBILENET_WIDTHS if isinstance(self.body, MobileNetV2) else _widths(self.body)
        self.lateral = nn.ModuleList(nn.Conv2d(width, form.filters, 1) for width in widths)
        self.smooth = nn.ModuleList(_convolution(form, 1) for _ in widths)
        self.coarser = nn.ModuleList(_convolution(form, 2) for _ in range(_LEVELS - len(widths)))
        self.classifier, self.locator = (_Tower(form, _LEVELS) for _ in range(2))
        each = len(_OCTAVES) * len(_RATIOS)
        self.classes = nn.Conv2d(form.filters, each * (classes + 1), 3, padding=1)
        self.offsets = nn.Conv2d(form.filters, each * 4, 3, padding=1)
        for part in (self.lateral, self.smooth, self.coarser, self.classifier, self.locator):
            initialise(part)
        for top in self.top():
            nn.init.normal_(top.weight, std=_PREDICTION_DEVIATION)
            nn.init.zeros_(top.bias if top.bias is not None else top.weight)
        self.register_buffer("anchors", _anchors(form.side), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(N, anchors, 1 + classes)``, background first, and offsets ``(N, anchors, 4)``."""
        levels = self.levels(images)
        classes = [self.classes(self.classifier(data, level)) for level, data in enumerate(levels)]
        offsets = [self.offsets(self.locator(data, level)) for level, data in enumerate(levels)]
        return _flat(classes, self._classes + 1), _flat(offsets, 4)

    def levels(self, images: Tensor) -> list[Tensor]:
        """The pyramid's maps, the finest first."""
        maps = _tapped(self.body, images) if isinstance(self.body, MobileNetV2) else self.body.features(images)[1:]
        found: list[Tensor] = []
        above: Tensor | None = None
        for data, lateral in zip(reversed(maps), reversed(self.lateral), strict=True):
            here = lateral(data)
            above = here if above is None else here + functional.interpolate(above, here.shape[2:], mode="nearest")
            found.insert(0, above)
        found = [smooth(data) for smooth, data in zip(self.smooth, found, strict=True)]
        for coarser in self.coarser:
            found.append(coarser(functional.relu(found[-1])))
        return found

    def top(self) -> tuple[nn.Conv2d, nn.Conv2d]:
        """The layers that depend on the classes, and those that say where."""
        return self.classes, self.offsets


class _Tower(nn.Module):
    """Convolutions that all levels share, each level with batch norms of its own."""

    def __init__(self, form: Form, levels: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(_convolution(form, 1, bias=False) for _ in range(form.depth))
        self.norms = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(form.filters) for _ in range(form.depth)) for _ in range(levels)
        )

    def forward(self, data: Tensor, level: int) -> Tensor:
        norms = self.norms[level]
        assert isinstance(norms, nn.ModuleList)
        for convolution, norm in zip(self.convolutions, norms, strict=True):
            data = functional.relu(norm(convolution(data)))
        return data


def _convolution(form: Form, stride: int, *, bias: bool = True) -> nn.Module:
    """3x3; on each channel by itself and then 1x1 in a light pyramid."""
    width = form.filters
    if not form.light:
        return nn.Conv2d(width, width, 3, stride, 1, bias=bias)
    apart = nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False)
    return nn.Sequential(apart, nn.Conv2d(width, width, 1, bias=bias))


def _widths(body: ResNet) -> Sequence[int]:
    """Of the maps after the second stage and later ones (cells of 8, 16 and 32 pixels)."""
    return body.plan.filters[2:]


def _tapped(body: MobileNetV2, images: Tensor) -> list[Tensor]:
    found, data = [], images / 127.5 - 1
    for number, part in enumerate(body.parts):
        data = part(data)
        if number in _MOBILENET_TAPS:
            found.append(data)
    return found


def _anchors(side: int) -> Tensor:
    found = []
    for level in range(_LEVELS):
        cell = _FIRST_CELL << level
        cells = -(-side // cell)
        size = _ANCHOR_CELLS * cell / side
        extents = [(size * octave * sqrt(ratio), size * octave / sqrt(ratio)) for octave in _OCTAVES for ratio in _RATIOS]
        found.append(anchors.grid(cells, cells, cell / side, extents))
    return torch.cat(found)


def _flat(maps: list[Tensor], width: int) -> Tensor:
    count = len(maps[0])
    return torch.cat([data.permute(0, 2, 3, 1).reshape(count, -1, width) for data in maps], dim=1)
