"""The network: a variational autoencoder of word counts whose hidden variables are shares of topics (Miao, Yu and Blunsom,
"Neural Variational Inference for Text Processing", 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from sagewright_algorithms.ntm.artifact import Dense, TopicModel

# So that a layer neither shrinks nor stretches what it gets: the slope of a sigmoid at 0 is a quarter.
_GAINS = {"sigmoid": 4.0, "tanh": 1.0, "relu": 2.0**0.5}
_ACTIVATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


@dataclass(frozen=True, slots=True)
class Shape:
    """``layers`` are the widths of the encoder."""

    words: int
    topics: int
    layers: tuple[int, ...]
    activation: str
    batch_norm: bool


class Network(nn.Module):
    """See the module docstring."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        widths, parts = [shape.words, *shape.layers], nn.ModuleList()
        for before, after in pairwise(widths):
            parts.append(_linear(before, after, _GAINS[shape.activation]))
            if shape.batch_norm:
                parts.append(nn.BatchNorm1d(after))
            parts.append(_ACTIVATIONS[shape.activation]())
        self.encoder = nn.Sequential(*parts)
        self.mean, self.spread = _linear(widths[-1], shape.topics, 1.0), _linear(widths[-1], shape.topics, 1.0)
        self.projection = _linear(shape.topics, shape.words, 1.0)

    def forward(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Reconstruction loss and Kullback-Leibler divergence of each document, in nats.

        In training the shares are drawn, else they are the likeliest.
        """
        hidden = self.encoder(torch.log1p(counts))
        mean, spread = self.mean(hidden), self.spread(hidden)  # spread: the logarithm of the variance
        drawn = mean + torch.exp(spread / 2) * torch.randn_like(mean) if self.training else mean
        explained = torch.log_softmax(self.projection(torch.softmax(drawn, dim=1)), dim=1)
        divergence = (torch.square(mean) + torch.exp(spread) - spread - 1).sum(dim=1) / 2
        return -(counts * explained).sum(dim=1), divergence

    def topic_model(self) -> TopicModel:
        """For the artifact and the endpoint."""
        layers, parts = [], list(self.encoder)
        for number, part in enumerate(parts):
            if isinstance(part, nn.Linear):
                follower = parts[number + 1]
                layers.append(_folded(part, follower) if isinstance(follower, nn.BatchNorm1d) else _dense(part))
        return TopicModel(self.shape.activation, tuple(layers), _dense(self.mean), _dense(self.spread), _dense(self.projection))


def _linear(before: int, after: int, gain: float) -> nn.Linear:
    layer = nn.Linear(before, after)
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def _dense(layer: nn.Linear) -> Dense:
    return Dense(_array(layer.weight), _array(layer.bias))


def _folded(layer: nn.Linear, norm: nn.BatchNorm1d) -> Dense:
    """A layer and the normalisation behind it as one layer."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
    plain = _dense(layer)
    return Dense(
        (plain.weight * scale[:, None]).astype(np.float32),
        ((plain.bias - _array(norm.running_mean)) * scale + _array(norm.bias)).astype(np.float32),
    )


def _array(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(tensor.detach().cpu().numpy(), np.float32)
