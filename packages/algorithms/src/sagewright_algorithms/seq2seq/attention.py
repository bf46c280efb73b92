"""How much each source token counts for the next target token (rnn_attention_type)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sagewright_algorithms.seq2seq.layers import Memory


class Attention(nn.Module):
    """``keys`` depends on the sources only and is made once; a query then gives the sources' mean, weighted by its scores."""

    def keys(self, memory: Memory) -> Tensor:
        """[sequences, tokens, width]."""
        raise NotImplementedError

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """[sequences, tokens] for ``query`` [sequences, width]."""
        raise NotImplementedError

    def forward(self, query: Tensor, keys: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """The weighted mean [sequences, width] of the memory, and the weights [sequences, tokens]."""
        weights = self.scores(query, keys).masked_fill(~memory.present, -torch.inf).softmax(dim=1)
        return torch.bmm(weights[:, None], memory.vectors)[:, 0], weights


class Perceptron(Attention):
    """``mlp``: a hidden layer over query and source (Bahdanau; Luong's "concat")."""

    def __init__(self, memory: int, query: int, hidden: int) -> None:
        super().__init__()
        self.of_memory = nn.Linear(memory, hidden)
        self.of_query = nn.Linear(query, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def keys(self, memory: Memory) -> Tensor:
        """See Attention."""
        made: Tensor = self.of_memory(memory.vectors)
        return made

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """See Attention."""
        return torch.tanh(keys + self.of_query(query)[:, None]) @ self.score.weight[0]


class Product(Attention):
    """``dot`` (both sides brought to ``hidden`` where they are not) and ``bilinear`` (Luong's "general")."""

    def __init__(self, memory: int, query: int, hidden: int) -> None:
        super().__init__()
        self.of_memory = nn.Identity() if memory == hidden else nn.Linear(memory, hidden, bias=False)
        self.of_query = nn.Identity() if query == hidden else nn.Linear(query, hidden, bias=False)

    def keys(self, memory: Memory) -> Tensor:
        """See Attention."""
        made: Tensor = self.of_memory(memory.vectors)
        return made

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """See Attention."""
        return torch.bmm(keys, self.of_query(query)[:, :, None])[:, :, 0]


class Bilinear(Product):
    """A matrix between query and source."""

    def __init__(self, memory: int, query: int) -> None:
        super().__init__(memory, query, memory)
        self.of_query = nn.Linear(query, memory, bias=False)


class Fixed(Attention):
    """``fixed``: always the last source token."""

    def keys(self, memory: Memory) -> Tensor:
        """See Attention."""
        places = torch.arange(memory.present.shape[1], device=memory.present.device)
        return torch.where(places == memory.lengths()[:, None] - 1, 0.0, -torch.inf)[:, :, None]

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """See Attention."""
        return keys[:, :, 0]


def attention(kind: str, memory: int, query: int, hidden: int) -> Attention:
    """``memory`` and ``query`` are widths, ``hidden`` is rnn_attention_num_hidden."""
    if kind == "mlp":
        return Perceptron(memory, query, hidden)
    if kind == "dot":
        return Product(memory, query, hidden)
    return Bilinear(memory, query) if kind == "bilinear" else Fixed()
