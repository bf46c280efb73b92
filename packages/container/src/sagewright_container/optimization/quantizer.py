"""Models with quantized weights for transformers: its own extension point builds and fills the layers of ``linear.py``.

A checkpoint says that it is compressed-tensors', for which transformers wants a library of that name. What that library would only
restore to full precision, these layers compute with.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from sagewright_container.optimization.linear import QuantizedLinear
from sagewright_container.optimization.packing import Scheme, described

_METHOD = "sagewright-packed"
LAYERS = (torch.nn.Linear, Conv1D)
"""What can be quantized. GPT-2's Conv1D is a linear layer with its weights the other way round."""


def taken_up(config: Any) -> bool:
    """Whether a model's configuration describes weights that are loaded here; it then names this quantizer."""
    found = described(getattr(config, "quantization_config", None))
    if found is None:
        return False
    scheme, ignored = found
    config.quantization_config = {
        "quant_method": _METHOD,
        "bits": scheme.bits,
        "group": scheme.group,
        "ignored": ignored,
    }
    return True


def shape_of(layer: torch.nn.Module) -> tuple[int, int]:
    """Inputs and outputs of one of LAYERS."""
    weight: Any = layer.weight
    rows, columns = weight.shape
    return (rows, columns) if isinstance(layer, Conv1D) else (columns, rows)


@register_quantization_config(_METHOD)
class PackedConfig(QuantizationConfigMixin):
    """See ``packing.described``."""

    def __init__(self, bits: int, group: int, ignored: list[str], **_: Any) -> None:
        self.quant_method = _METHOD  # type: ignore[assignment]  # transformers lists its own as an enum, and takes any
        self.bits, self.group, self.ignored = bits, group, ignored


@register_quantizer(_METHOD)
class PackedQuantizer(HfQuantizer):
    """Only loads: the job wrote the weights."""

    requires_calibration = True

    def _process_model_before_weight_loading(self, model: Any, **_: Any) -> Any:
        """On the meta device. Every linear layer that is not named as left alone."""
        config: Any = self.quantization_config
        scheme, left = Scheme(config.bits, config.group), frozenset(config.ignored)
        for name, layer in list(model.named_modules()):
            if isinstance(layer, LAYERS) and name not in left:
                inputs, outputs = shape_of(layer)
                with torch.device("meta"):
                    quantized = QuantizedLinear(inputs, outputs, layer.bias is not None, scheme, layer.weight.dtype)
                above, _, last = name.rpartition(".")
                setattr(model.get_submodule(above), last, quantized)
        return model

    def _process_model_after_weight_loading(self, model: Any, **_: Any) -> Any:
        return model

    def is_serializable(self) -> bool:
        return False

    @property
    def is_trainable(self) -> bool:
        return False


def prepare(network: torch.nn.Module) -> None:
    """When the network is on its device."""
    for layer in network.modules():
        if isinstance(layer, QuantizedLinear):
            layer.prepare()
