"""Batches of decoded images as float tensors on the device, and the colour jitter that is computed there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from sagewright_algorithms.vision.image import Pixels

Model = TypeVar("Model", bound=nn.Module)
HUE, SATURATION, LIGHTNESS = 36, 50, 50
"""The largest changes of MXNet's augmentation level 2, in OpenCV's units: hue 0 to 180, the others 0 to 255 (DG:IC-Hyperparameter)."""


def placed(model: Model, device: torch.device) -> Model:
    """On the device, its weights with the channels last in memory: convolutions are faster so, on CPUs, too."""
    arguments: dict[str, Any] = {"memory_format": torch.channels_last}
    return model.to(device, **arguments)


def of_pixels(images: Sequence[Pixels], device: torch.device) -> torch.Tensor:
    """Images of one size as (N, C, H, W), float32 from 0 to 255, the channels last in memory."""
    return torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float()


def of_targets(targets: Sequence[int | npt.NDArray[np.float32]], device: torch.device) -> torch.Tensor:
    """Class ids as (N), vectors as (N, classes)."""
    return torch.from_numpy(np.array(targets)).to(device)


def normalised(batch: torch.Tensor, mean: Sequence[float], deviation: Sequence[float]) -> torch.Tensor:
    """``(batch - mean) / deviation`` by channel, both on the scale of 0 to 255."""
    shape = (1, -1, 1, 1)
    return (batch - batch.new_tensor(mean).view(shape)) / batch.new_tensor(deviation).view(shape)


def jittered(batch: torch.Tensor, changes: torch.Tensor) -> torch.Tensor:
    """RGB images (N, 3, H, W) from 0 to 255 after ``changes`` (N, 3): hue (in 1/180 of the circle), saturation and lightness."""
    hue, lightness, saturation = _to_hls(batch / 255)
    hue_change, saturation_change, lightness_change = changes.to(batch)[:, :, None, None].unbind(1)
    # As MXNet does: no turn around the circle, all three are clipped.
    hue = (hue + hue_change / 180).clamp(0, 1)
    saturation = (saturation + saturation_change / 255).clamp(0, 1)
    lightness = (lightness + lightness_change / 255).clamp(0, 1)
    return _to_rgb(hue, lightness, saturation) * 255


def drawn_changes(random: np.random.Generator) -> tuple[int, int, int]:
    """One image's changes of hue, saturation and lightness."""
    hue, saturation, lightness = (int(random.integers(-limit, limit + 1)) for limit in (HUE, SATURATION, LIGHTNESS))
    return hue, saturation, lightness


def _to_hls(rgb: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All from 0 to 1, each (N, H, W)."""
    red, green, blue = rgb.unbind(1)
    most, least = rgb.amax(1), rgb.amin(1)
    spread, total = most - least, most + least
    lightness = total / 2
    saturation = torch.where(spread > 0, spread / torch.where(lightness < 0.5, total, 2 - total).clamp_min(1e-12), 0.0)
    safe = spread.clamp_min(1e-12)
    sector = torch.where(
        most == red, (green - blue) / safe, torch.where(most == green, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    )
    return torch.where(spread > 0, (sector / 6) % 1, 0.0), lightness, saturation


def _to_rgb(hue: torch.Tensor, lightness: torch.Tensor, saturation: torch.Tensor) -> torch.Tensor:
    reach = saturation * torch.minimum(lightness, 1 - lightness)
    channels = []
    for shift in (0, 8, 4):
        place = (shift + hue * 12) % 12
        channels.append(lightness - reach * torch.minimum(place - 3, 9 - place).clamp(-1, 1))
    return torch.stack(channels, 1)
