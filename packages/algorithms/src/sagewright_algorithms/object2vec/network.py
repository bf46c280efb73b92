"""The whole network: two encoders, a comparator and a perceptron."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from sagewright_algorithms.object2vec.encoders import EMBEDDING_SCALE, Encoder
from sagewright_algorithms.object2vec.settings import NetworkSettings

_ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "linear": nn.Identity}
_COMPARATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "hadamard": lambda left, right: left * right,
    "concat": lambda left, right: torch.cat([left, right], dim=1),
    "abs_diff": lambda left, right: (left - right).abs(),
}


class Network(nn.Module):
    """``lazy``: slopes of the token vectors hold only the rows of the batch."""

    def __init__(self, settings: NetworkSettings, lazy: bool = False) -> None:
        super().__init__()
        self.settings = settings
        tables = [_table(encoder.vocab_size, encoder.token_embedding_dim) for encoder in settings.encoders]
        if settings.tied:
            tables[1] = tables[0]
        self._tables = tables
        self.encoders = nn.ModuleList(
            Encoder(encoder, settings.enc_dim, settings.dropout, table, lazy)
            for encoder, table in zip(settings.encoders, tables, strict=True)
        )
        self.head = _perceptron(settings)

    @property
    def tables(self) -> list[nn.Parameter]:
        """The token vectors: one table, or one of each encoder."""
        return self._tables[: 1 if self.settings.tied else 2]

    def encode(self, side: int, tokens: Tensor, starts: Tensor) -> Tensor:
        """[sequences, enc_dim] by encoder 0 or 1; see Encoder."""
        encoded: Tensor = self.encoders[side](tokens, starts)
        return encoded

    def compare(self, left: Tensor, right: Tensor) -> Tensor:
        """[pairs, outputs] of encoded sequences: logits, or one number each."""
        compared = [_COMPARATORS[name](left, right) for name in self.settings.comparators]
        outputs: Tensor = self.head(torch.cat(compared, dim=1))
        return outputs


def _table(rows: int, width: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(rows, width).uniform_(-EMBEDDING_SCALE, EMBEDDING_SCALE))


def _perceptron(settings: NetworkSettings) -> nn.Sequential:
    compared = sum(2 if name == "concat" else 1 for name in settings.comparators) * settings.enc_dim
    parts: list[nn.Module] = []
    for before, after in pairwise([compared] + [settings.mlp_dim] * settings.mlp_layers):
        parts += [nn.Linear(before, after), _ACTIVATIONS[settings.mlp_activation](), nn.Dropout(settings.dropout)]
    return nn.Sequential(*parts, nn.Linear(settings.mlp_dim if settings.mlp_layers else compared, settings.outputs))
