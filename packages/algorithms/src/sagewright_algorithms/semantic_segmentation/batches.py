"""Batches of a segmenter: images of one size with the class of each pixel, loaded ahead by threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sagewright_algorithms.semantic_segmentation import transforms
from sagewright_algorithms.semantic_segmentation.examples import Examples
from sagewright_algorithms.semantic_segmentation.settings import Settings
from sagewright_algorithms.vision import tensors
from sagewright_algorithms.vision.image import Pixels, pixels
from sagewright_algorithms.vision.loader import Loader

Item = tuple[Pixels, Pixels]
"""Image (H, W, 3) and classes (H, W, 1)."""


def training(examples: Examples, settings: Settings) -> Loader[Item]:
    """Shuffled, each pass from another view."""
    base, crop = settings.base_size, settings.architecture.crop_size

    def load(number: int, random: np.random.Generator) -> Item:
        image, label = transforms.training(*examples[number], base, crop, random)
        return pixels(image), pixels(label)

    return Loader(load, len(examples), settings.mini_batch_size, shuffle=True, whole=True)


def validation(examples: Examples, settings: Settings) -> Loader[Item]:
    """The middle of each, in order."""
    crop = settings.architecture.crop_size

    def load(number: int, _: np.random.Generator) -> Item:
        image, label = transforms.validation(*examples[number], crop)
        return pixels(image), pixels(label)

    return Loader(load, len(examples), settings.validation_mini_batch_size)


def of(items: Sequence[Item], device: torch.device) -> tuple[Tensor, Tensor]:
    """Images ``(N, 3, H, W)`` of 0 to 255 and classes ``(N, H, W)`` on the device."""
    labels = torch.from_numpy(np.stack([label[..., 0] for _, label in items]))
    return tensors.of_pixels([image for image, _ in items], device), labels.to(device).long()
