"""What a decoder offers: all steps at once for a target that is known, one step after the other for one that is searched."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from sagewright_algorithms.seq2seq.layers import Memory


class Context(NamedTuple):
    """Of a batch of sources: the memory and what the attentions make of it beforehand."""

    memory: Memory
    keys: tuple[Tensor, ...]

    def repeated(self, times: int) -> Context:
        """Each source so many times, one after the other."""
        return Context(self.memory.repeated(times), tuple(part.repeat_interleave(times, dim=0) for part in self.keys))


class State(NamedTuple):
    """After ``steps`` target tokens. The first dimension of each tensor is the sequences."""

    tensors: tuple[Tensor, ...]
    steps: int = 0

    def take(self, rows: Tensor) -> State:
        """Of these sequences."""
        return State(tuple(part.index_select(0, rows) for part in self.tensors), self.steps)


class Step(NamedTuple):
    """``hidden`` [sequences, width], ``weights`` [sequences, source tokens]."""

    hidden: Tensor
    weights: Tensor
    state: State


class Decoder(nn.Module):
    """Words are told from ``hidden`` by the network."""

    def context(self, memory: Memory) -> Context:
        """To be made once for a batch."""
        raise NotImplementedError

    def start(self, context: Context) -> State:
        """Before the first token."""
        raise NotImplementedError

    def step(self, ids: Tensor, state: State, context: Context) -> Step:
        """After one more token [sequences]."""
        raise NotImplementedError

    def forward(self, ids: Tensor, context: Context) -> Tensor:
        """Hidden vectors [sequences, tokens, width] after each of the tokens [sequences, tokens]."""
        raise NotImplementedError
