"""VGG-16 as single-shot detectors use it: the fully connected layers became convolutions with fewer filters, names as in MXNet."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from sagewright_algorithms.vision.resnet import initialise

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
TAP = "conv4_3"


class ReducedVgg16(nn.Module):
    """Images (N, 3, H, W), normalised, to two maps: 512 channels of stride 8, 1024 channels of stride 16."""

    widths = (512, 1024)

    def __init__(self) -> None:
        super().__init__()
        before = 3
        for number, block in enumerate(BLOCKS, 1):
            for place, (narrow, wide) in enumerate(pairwise((before, *block)), 1):
                self.add_module(f"conv{number}_{place}", nn.Conv2d(narrow, wide, 3, padding=1))
            before = block[-1]
        self.fc6 = nn.Conv2d(512, 1024, 3, padding=6, dilation=6)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        initialise(self)

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The maps after conv4_3 and fc7."""
        data, found = images, []
        for number, block in enumerate(BLOCKS, 1):
            for place in range(1, len(block) + 1):
                data = functional.relu(getattr(self, f"conv{number}_{place}")(data))
                if f"conv{number}_{place}" == TAP:
                    found.append(data)
            # Rounded up, as SSD does, so that 300 pixels give 38; the last pool keeps the size, the dilation makes up for it.
            data = (
                functional.max_pool2d(data, 3, 1, 1)
                if number == len(BLOCKS)
                else functional.max_pool2d(data, 2, 2, ceil_mode=True)
            )
        found.append(functional.relu(self.fc7(functional.relu(self.fc6(data)))))
        return found
