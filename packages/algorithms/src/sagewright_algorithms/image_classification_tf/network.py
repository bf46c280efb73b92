"""The network that a model id stands for: a body of TensorFlow Hub's list, dropout, one layer of logits on top."""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import nn

from sagewright_algorithms.vision.mobilenet import MobileNetV2
from sagewright_algorithms.vision.resnet import ResNet, plan

_MOBILENET = re.compile(r"tensorflow-ic-imagenet-mobilenet-v2-(\d{3})-(\d+)(?:-classification-4)?")
_RESNET = re.compile(r"tensorflow-ic-imagenet-resnet-v2-(\d+)-classification-4")
_RESNET_SIDE = 224


@dataclass(frozen=True, slots=True)
class Architecture:
    """``side`` of the images; ``multiplier`` is MobileNet's width or 0, ``layers`` ResNet's depth or 0."""

    side: int
    multiplier: float = 0.0
    layers: int = 0


def architecture(model_id: str) -> Architecture:
    """Raises ValueError for an id that names no network we have."""
    if found := _MOBILENET.fullmatch(model_id):
        return Architecture(int(found[2]), multiplier=int(found[1]) / 100)
    if found := _RESNET.fullmatch(model_id):
        return Architecture(_RESNET_SIDE, layers=int(found[1]))
    raise ValueError(f"{model_id} names no network of this algorithm")


class Network(nn.Module):
    """Images (N, 3, H, W) of 0 to 255 to ``outputs`` logits each."""

    def __init__(self, wanted: Architecture, outputs: int, dropout: float = 0.0, *, only_top: bool = False) -> None:
        super().__init__()
        self.body = ResNet(plan(wanted.layers, wanted.side)) if wanted.layers else MobileNetV2(wanted.multiplier)
        self.dropout = nn.Dropout(dropout)
        self.top = nn.Linear(self.body.width, outputs)
        nn.init.xavier_uniform_(self.top.weight)
        nn.init.zeros_(self.top.bias)
        self._only_top = only_top
        if only_top:
            self.body.requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, outputs)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._only_top):
            features = self.body(images).mean((2, 3))
        logits: torch.Tensor = self.top(self.dropout(features))
        return logits

    def train(self, mode: bool = True) -> Network:
        """A body that is not trained does not count the batches that pass either."""
        super().train(mode)
        if self._only_top:
            self.body.eval()
        return self
