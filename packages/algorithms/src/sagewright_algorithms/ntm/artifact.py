"""The artifact: a ZIP with the MXNet parameters (``params``) and what is to know beside (``meta.json``).

``arg:projection_weight`` [words, topics] is named and shaped as in AWS's artifacts, whose users draw word clouds of its columns;
the other names are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sagewright_algorithms.common import parameter_zip
from sagewright_algorithms.common.matrix import Floats

PARAMETERS, META = "params", "meta.json"
_PREFIX = "arg:"
_ACTIVATIONS = ("sigmoid", "tanh", "relu")
_MEAN, _SPREAD, _PROJECTION = "mean", "log_variance", "projection"


@dataclass(frozen=True, slots=True)
class Dense:
    """``weight`` [outputs, inputs], ``bias`` [outputs]."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True, slots=True)
class TopicModel:
    """``layers`` lead from log(1 + counts) to what ``mean`` and ``spread`` read; ``projection`` leads from shares to words.

    Batch normalisation is part of the layer that it followed.
    """

    activation: str
    layers: tuple[Dense, ...]
    mean: Dense
    spread: Dense
    projection: Dense

    @property
    def words(self) -> int:
        """The vocabulary's size."""
        return int(self.projection.weight.shape[0])

    def dump(self) -> bytes:
        """The same model gives the same bytes."""
        named = {f"encoder_{number}": layer for number, layer in enumerate(self.layers)}
        named |= {_MEAN: self.mean, _SPREAD: self.spread, _PROJECTION: self.projection}
        arrays = {f"{_PREFIX}{name}_weight": layer.weight for name, layer in named.items()}
        arrays |= {f"{_PREFIX}{name}_bias": layer.bias for name, layer in named.items()}
        return parameter_zip.dump((META, {"encoder_layers_activation": self.activation}), (PARAMETERS, arrays))

    @classmethod
    def load(cls, content: bytes) -> TopicModel:
        """Raises ValueError, KeyError."""
        about, arrays = parameter_zip.load(content, META, PARAMETERS)
        count = sum(name.startswith(f"{_PREFIX}encoder_") and name.endswith("_weight") for name in arrays)
        layers = tuple(_dense(arrays, f"encoder_{number}") for number in range(count))
        model = cls(
            about["encoder_layers_activation"], layers, *(_dense(arrays, name) for name in (_MEAN, _SPREAD, _PROJECTION))
        )
        model._check()
        return model

    def _check(self) -> None:
        widths = [self.words]
        for layer in (*self.layers, self.mean):
            if layer.weight.ndim != 2 or layer.weight.shape != (len(layer.bias), widths[-1]):
                raise ValueError("the layers of the model do not fit together")
            widths.append(len(layer.bias))
        if self.projection.weight.shape[1] != widths[-1] or self.activation not in _ACTIVATIONS:
            raise ValueError("the layers of the model do not fit together")


def _dense(arrays: Mapping[str, Any], name: str) -> Dense:
    weight, bias = (arrays[f"{_PREFIX}{name}_{part}"].astype(np.float32) for part in ("weight", "bias"))
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ValueError("the layers of the model do not fit together")
    return Dense(weight, bias)
