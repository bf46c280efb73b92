"""A linear layer whose weights are small integers: it reads a half or a quarter of what bfloat16 does, and decoding is reading."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sagewright_container.optimization.packing import BLOCK, Packed, Scheme, integers, unpack

_Product = Callable[[torch.Tensor], torch.Tensor]
_ROWS = 16
"""The kernel for 4 bits takes a multiple of so many outputs."""


class QuantizedLinear(torch.nn.Module):
    """Loaded as a checkpoint has it; ``prepare`` then lays the weights out for the device's kernel.

    Shapes: ``weight_packed`` int32 [outputs, inputs / factor], ``weight_scale`` [outputs, scales], ``weight_shape`` int64 [2].
    """

    weight_packed: torch.nn.Parameter | None
    weight_scale: torch.nn.Parameter | None
    weight_shape: torch.nn.Parameter | None
    bias: torch.nn.Parameter | None

    def __init__(self, inputs: int, outputs: int, bias: bool, scheme: Scheme, dtype: torch.dtype) -> None:
        super().__init__()
        self.in_features, self.out_features, self._scheme = inputs, outputs, scheme
        self._add("weight_packed", torch.empty(outputs, -(-inputs // scheme.factor), dtype=torch.int32))
        self._add("weight_scale", torch.empty(outputs, scheme.scales(inputs), dtype=dtype))
        self._add("weight_shape", torch.empty(2, dtype=torch.int64))
        self._add("bias", torch.empty(outputs, dtype=dtype) if bias else None)
        self._product: _Product | None = None
        self._nothing = torch.empty(0, dtype=dtype, device="cpu")
        self._nothing._is_hf_initialized = True  # type: ignore[attr-defined]

    @property
    def weight(self) -> torch.Tensor:
        """Empty: models ask a layer's weights for their type, and transformers would initialize them were they not marked."""
        return self._nothing

    def prepare(self) -> None:
        """Once, when the weights are there and on their device; the packed ones are given up."""
        if self.weight_packed is None or self.weight_scale is None:
            return
        packed = Packed(self.weight_packed.data, self.weight_scale.data)
        self._product = self._kernel(packed)
        self.weight_packed = self.weight_scale = self.weight_shape = None

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """[…, inputs] → […, outputs]."""
        if self._product is None:
            raise RuntimeError("the layer was not prepared")
        found = self._product(states.reshape(-1, self.in_features)).reshape(*states.shape[:-1], self.out_features)
        return found if self.bias is None else found + self.bias

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bits={self._scheme.bits}"

    def _add(self, name: str, value: torch.Tensor | None) -> None:
        self.register_parameter(name, None if value is None else torch.nn.Parameter(value, requires_grad=False))

    def _kernel(self, packed: Packed) -> _Product:
        """Processors compute with the integers, in bfloat16; elsewhere, and for odd shapes, the weights are restored."""
        if packed.weights.device.type == "cpu" and self.in_features % BLOCK == 0:
            if self._scheme.bits == 8:
                return _eight(integers(packed.weights, self._scheme), packed.scales)
            if self.out_features % _ROWS == 0:
                return _four(integers(packed.weights, self._scheme), packed.scales, self._scheme.group)
        weight = unpack(packed, self._scheme, packed.scales.dtype)[:, : self.in_features].contiguous()
        return lambda states: torch.nn.functional.linear(states, weight)


def _eight(weight: torch.Tensor, scales: torch.Tensor) -> _Product:
    row_scales = scales.flatten().to(torch.bfloat16).contiguous()

    def product(states: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.ops.aten._weight_int8pack_mm(states.to(torch.bfloat16).contiguous(), weight, row_scales)
        return found.to(states.dtype)

    return product


def _four(weight: torch.Tensor, scales: torch.Tensor, group: int) -> _Product:
    """The kernel's integers are unsigned, and it takes 8 from each."""
    laid_out = torch.ops.aten._convert_weight_to_int4pack_for_cpu((weight + 8).to(torch.int32), 1)
    by_group = scales.to(torch.bfloat16).t()
    with_zeros = torch.stack([by_group, torch.zeros_like(by_group)], -1).contiguous()

    def product(states: torch.Tensor) -> torch.Tensor:
        given = states.to(torch.bfloat16).contiguous()
        found: torch.Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(given, laid_out, group, with_zeros)
        return found.to(states.dtype)

    return product
