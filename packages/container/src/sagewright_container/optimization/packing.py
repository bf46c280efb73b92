"""Weights as small integers: rounding, packing and back. Pure.

The layout is "pack-quantized" of compressed-tensors, which other servers read, too: symmetric, a scale for each row (8 bits) or for
each ``group`` of a row's weights (4 bits), the integers shifted to unsigned and packed into int32, the first in the lowest bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

BLOCK = 32
"""The kernels of torch take rows of a multiple of so many weights; others are left as they are."""
_GROUPS = (128, 64, 32)


@dataclass(frozen=True)
class Scheme:
    """``bits`` is 4 or 8; ``group`` is how many weights of a row share a scale, 0 where the whole row does."""

    bits: int
    group: int = 0

    @property
    def factor(self) -> int:
        """How many weights an int32 holds."""
        return 32 // self.bits

    def scales(self, inputs: int) -> int:
        """How many a row of so many weights has."""
        return inputs // self.group if self.group else 1


@dataclass(frozen=True)
class Packed:
    """``weights`` int32 [rows, columns / factor], ``scales`` [rows, scales of a row] in the weights' own type."""

    weights: torch.Tensor
    scales: torch.Tensor


def scheme(bits: int, inputs: set[int]) -> Scheme:
    """For a model with rows of these lengths, each a multiple of BLOCK."""
    if bits == 8:
        return Scheme(8)
    return Scheme(bits, next(group for group in _GROUPS if all(length % group == 0 for length in inputs)))


def pack(weight: torch.Tensor, given: Scheme) -> Packed:
    """Of [rows, columns], rounded to the nearest."""
    rows, columns = weight.shape
    grouped = weight.float().reshape(rows, given.scales(columns), -1)
    scales = grouped.abs().amax(-1, keepdim=True) / ((2**given.bits - 1) / 2)
    scales = torch.where(scales == 0, torch.ones_like(scales), scales).to(weight.dtype).float()
    half = 2 ** (given.bits - 1)
    integers = (grouped / scales).round().clamp(-half, half - 1).reshape(rows, columns)
    lanes = (integers + half).to(torch.int32).reshape(rows, -1, given.factor)
    shifts = torch.arange(given.factor, dtype=torch.int32) * given.bits
    return Packed((lanes << shifts).sum(-1, dtype=torch.int32), scales.squeeze(-1).to(weight.dtype))


def integers(packed: torch.Tensor, given: Scheme) -> torch.Tensor:
    """int8 [rows, columns], signed."""
    shifts = torch.arange(given.factor, dtype=torch.int32, device=packed.device) * given.bits
    lanes = (packed.unsqueeze(-1) >> shifts) & (2**given.bits - 1)
    found: torch.Tensor = (lanes - 2 ** (given.bits - 1)).to(torch.int8).flatten(1)
    return found


def unpack(packed: Packed, given: Scheme, dtype: torch.dtype) -> torch.Tensor:
    """The weights [rows, columns] that the integers stand for."""
    whole = integers(packed.weights, given)
    rows, columns = whole.shape
    grouped = whole.reshape(rows, given.scales(columns), -1).to(torch.float32) * packed.scales.float().unsqueeze(-1)
    return grouped.reshape(rows, columns).to(dtype)


def description(given: Scheme, ignored: list[str]) -> dict[str, Any]:
    """``quantization_config`` of a model's config.json."""
    weights = {
        "num_bits": given.bits,
        "type": "int",
        "symmetric": True,
        "dynamic": False,
        "strategy": "group" if given.group else "channel",
        "group_size": given.group or None,
    }
    group = {"targets": ["Linear"], "weights": weights, "input_activations": None, "output_activations": None}
    return {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "quantization_status": "compressed",
        "config_groups": {"group_0": group},
        "ignore": ignored,
    }


def described(config: Any) -> tuple[Scheme, list[str]] | None:
    """The scheme and the layers left as they are; None where ``quantization_config`` is no such description."""
    try:
        weights = config["config_groups"]["group_0"]["weights"]
        known = (
            config["quant_method"] == "compressed-tensors"
            and config["format"] == "pack-quantized"
            and len(config["config_groups"]) == 1
            and weights["type"] == "int"
            and weights["symmetric"] is True
            and (weights["num_bits"], weights["strategy"]) in ((8, "channel"), (4, "group"))
        )
        found = Scheme(int(weights["num_bits"]), int(weights.get("group_size") or 0))
        ignored = [str(name) for name in config.get("ignore") or []]
    except (KeyError, TypeError, ValueError):
        return None
    return (found, ignored) if known and found.group in (0, *_GROUPS) and (found.bits == 8) == (found.group == 0) else None
