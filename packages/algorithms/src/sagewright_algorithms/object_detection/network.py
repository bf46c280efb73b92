"""The single-shot detector: two feature maps of a base network, ever smaller ones behind them, a classifier of boxes on each.

Structure and names are those of MXNet's SSD (example/ssd, symbol_factory), on which AWS's container is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagewright_algorithms.object_detection import anchors
from sagewright_algorithms.object_detection.architecture import RESNET_20, RESNET_50, VGG, Architecture
from sagewright_algorithms.vision.resnet import Plan, ResNet, initialise, plan
from sagewright_algorithms.vision.tensors import normalised
from sagewright_algorithms.vision.vgg import ReducedVgg16

# What MXNet calls the two maps of the base network, and how many pixels of the image one cell of them stands for.
TAPS = {VGG: ("relu4_3", "relu7"), RESNET_50: ("_plus12", "_plus15"), RESNET_20: ("_plus5", "_plus8")}
_STRIDES = {VGG: (8, 16), RESNET_50: (16, 32), RESNET_20: (8, 16)}
_LARGE_IMAGE = 448
_VGG_SCALE = 20.0
_HEAD_DEVIATION = 0.01  # all classes are equally likely at first: with larger weights the first epochs only unlearn
_MEAN = (123.0, 117.0, 104.0)  # MXNet's SSD takes it from every image
DEVIATION = 58.0
"""What the VGG network divides images by; residual networks begin with a batch norm instead."""


@dataclass(frozen=True, slots=True)
class Extra:
    """A map behind the base network: a convolution of 1x1, then one of 3x3."""

    filters: int
    stride: int
    padding: int
    narrowest: int = 128

    @property
    def narrow(self) -> int:
        """Filters of the convolution of 1x1."""
        return max(self.narrowest, self.filters // 2)


class Detector(nn.Module):
    """Images ``(N, 3, image_shape, image_shape)`` of 0 to 255 to what each anchor sees."""

    anchors: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.base: ReducedVgg16 | _Stages = _base(architecture.base_network)
        self._normalises = architecture.base_network == VGG
        widths, names = list(self.base.widths), list(TAPS[architecture.base_network])
        self.extras = {f"multi_feat_{number}": extra for number, extra in enumerate(_extras(architecture), 2)}
        for name, extra in self.extras.items():
            self._add_extra(name, widths[-1], extra)
            widths.append(extra.filters)
            names.append(f"{name}_conv_3x3_relu")
        if self._normalises:
            self.relu4_3_scale = nn.Parameter(torch.full((1, widths[0], 1, 1), _VGG_SCALE))
        self.shapes = anchors.of_maps(len(widths), architecture.image_shape, steps=self._normalises)
        self.names = tuple(names)
        for name, width, shape in zip(names, widths, self.shapes, strict=True):
            self.add_module(
                f"{name}_cls_pred_conv", nn.Conv2d(width, shape.count * (architecture.num_classes + 1), 3, padding=1)
            )
            self.add_module(f"{name}_loc_pred_conv", nn.Conv2d(width, shape.count * 4, 3, padding=1))
        for name, module in self.named_children():
            if name != "base":
                initialise(module)
            if name.endswith("_pred_conv") and isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=_HEAD_DEVIATION)
        self.register_buffer(
            "anchors", anchors.boxes(_sizes(architecture, tuple(self.extras.values())), self.shapes), persistent=False
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(N, anchors, 1 + classes)``, background first, and offsets ``(N, anchors, 4)``."""
        maps = self.maps(images)
        if self._normalises:
            maps[0] = functional.normalize(maps[0], dim=1) * self.relu4_3_scale
        classes = [self._flat(name + "_cls_pred_conv", data) for name, data in zip(self.names, maps, strict=True)]
        offsets = [self._flat(name + "_loc_pred_conv", data) for name, data in zip(self.names, maps, strict=True)]
        count = len(images)
        logits = torch.cat(classes, dim=1).view(count, -1, self.architecture.num_classes + 1)
        return logits, torch.cat(offsets, dim=1).view(count, -1, 4)

    def maps(self, images: Tensor) -> list[Tensor]:
        """All feature maps, the finest first."""
        found = list(self.base(normalised(images, _MEAN, (DEVIATION if self._normalises else 1.0,) * 3)))
        for name in self.extras:
            data = functional.relu(getattr(self, f"{name}_conv_1x1_conv")(found[-1]))
            found.append(functional.relu(getattr(self, f"{name}_conv_3x3_conv")(data)))
        return found

    def _add_extra(self, name: str, before: int, extra: Extra) -> None:
        self.add_module(f"{name}_conv_1x1_conv", nn.Conv2d(before, extra.narrow, 1))
        self.add_module(f"{name}_conv_3x3_conv", nn.Conv2d(extra.narrow, extra.filters, 3, extra.stride, extra.padding))

    def _flat(self, name: str, data: Tensor) -> Tensor:
        """``(N, cells * filters)``, the filters of a cell together."""
        found: Tensor = getattr(self, name)(data)
        return found.permute(0, 2, 3, 1).flatten(1)


class _Stages(ResNet):
    """A ResNet of which the last two stages are looked at."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self.widths = plan.filters[-2:]

    def forward(self, images: Tensor) -> list[Tensor]:  # type: ignore[override]
        return self.features(images)[-2:]


def base_plan(name: str) -> Plan:
    """Of a residual network."""
    return plan({RESNET_50: 50, RESNET_20: 20}[name])


def _base(name: str) -> ReducedVgg16 | _Stages:
    if name == VGG:
        return ReducedVgg16()
    return _Stages(base_plan(name))


def _extras(architecture: Architecture) -> tuple[Extra, ...]:
    if architecture.base_network == RESNET_20:
        return (Extra(128, 2, 1, 64),) * 4
    if architecture.base_network == RESNET_50:
        return (Extra(512, 2, 1), Extra(256, 2, 1), Extra(256, 2, 1), Extra(128, 2, 1))
    if architecture.image_shape >= _LARGE_IMAGE:
        return (Extra(512, 2, 1), *[Extra(256, 2, 1)] * 4)
    return (Extra(512, 2, 1), Extra(256, 2, 1), Extra(256, 1, 0), Extra(256, 1, 0))


def _sizes(architecture: Architecture, extras: Sequence[Extra]) -> list[tuple[int, int]]:
    """Height and width of each map: every halving rounds up, of convolutions and pools alike."""
    sides = [-(-architecture.image_shape // stride) for stride in _STRIDES[architecture.base_network]]
    for extra in extras:
        sides.append((sides[-1] + 2 * extra.padding - 3) // extra.stride + 1)
    return [(side, side) for side in sides]
