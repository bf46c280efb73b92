"""Batches of a detector: images of one size with their objects, loaded ahead by threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.object_detection.augmentation import augmented
from sagewright_algorithms.object_detection.examples import Examples
from sagewright_algorithms.vision import geometry, image, tensors
from sagewright_algorithms.vision.image import Picture
from sagewright_algorithms.vision.loader import Loader

_COLOUR_PROBABILITY = 0.5
_LARGEST_CHANGES = (18, 32, 32)  # hue, saturation and lightness of MXNet's SSD example


View = Callable[[Picture, Floats, np.random.Generator], tuple[Picture, Floats]]


@dataclass(frozen=True, slots=True)
class Item:
    """One image; ``changes`` are those of its colours, None for none."""

    pixels: image.Pixels
    objects: Floats
    changes: tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Batch:
    """``images`` from 0 to 255; ``objects``: ``(images, most, 5)``, filled up with class -1."""

    images: Tensor
    objects: Tensor
    found: list[Floats]


def training(
    examples: Examples, side: int, size: int, view: View = augmented, *, recoloured: bool = True, seed: int = 0
) -> Loader[Item]:
    """Shuffled, another view of each image every time."""

    def load(number: int, random: np.random.Generator) -> Item:
        example = examples[number]
        # A part of the image may become all of it, so that twice the size is worth decoding.
        picture = image.decode_file(example.image, example.name, 2 * side)
        picture, objects = view(picture, example.objects, random)
        changes = _drawn_changes(random) if recoloured else None
        return Item(image.pixels(geometry.stretched(picture, side, side)), objects, changes)

    return Loader(load, len(examples), size, shuffle=True, whole=True, seed=seed)


def validation(examples: Examples, side: int, size: int) -> Loader[Item]:
    """As they are, in order."""

    def load(number: int, _: np.random.Generator) -> Item:
        example = examples[number]
        picture = image.decode_file(example.image, example.name, side)
        return Item(image.pixels(geometry.stretched(picture, side, side)), example.objects, None)

    return Loader(load, len(examples), size)


def of(items: Sequence[Item], device: torch.device) -> Batch:
    """On the device."""
    images = tensors.of_pixels([item.pixels for item in items], device)
    coloured = [place for place, item in enumerate(items) if item.changes is not None]
    if coloured:
        changes = torch.tensor([items[place].changes for place in coloured])
        images[coloured] = tensors.jittered(images[coloured], changes)
    return Batch(images, _padded([item.objects for item in items]).to(device), [item.objects for item in items])


def _padded(each: Sequence[Floats]) -> Tensor:
    most = max(len(objects) for objects in each)
    padded = np.zeros((len(each), most, 5), np.float32)
    padded[..., 0] = -1
    for place, objects in enumerate(each):
        padded[place, : len(objects)] = objects
    return torch.from_numpy(padded)


def _drawn_changes(random: np.random.Generator) -> tuple[int, int, int] | None:
    if random.random() >= _COLOUR_PROBABILITY:
        return None
    hue, saturation, lightness = (int(random.integers(-most, most + 1)) for most in _LARGEST_CHANGES)
    return hue, saturation, lightness
