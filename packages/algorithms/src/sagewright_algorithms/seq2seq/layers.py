"""What encoders and decoders share: padded batches, the encoder's answer, convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagewright_algorithms.common.sequences import Sequences

RESIDUAL_SCALE = 0.5**0.5
"""Keeps the variance of a sum of two layers (Gehring et al.)."""
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "glu": lambda values: functional.glu(values, dim=1),
    "relu": functional.relu,
    "softrelu": functional.softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}


class Memory(NamedTuple):
    """What the encoder makes of a batch: ``vectors`` [sequences, tokens, width], zero where ``present`` is not."""

    vectors: Tensor
    present: Tensor

    def repeated(self, times: int) -> Memory:
        """Each sequence so many times, one after the other."""
        return Memory(*(part.repeat_interleave(times, dim=0) for part in self))

    def last(self) -> Tensor:
        """The vector of each sequence's last token."""
        return self.vectors[torch.arange(len(self.vectors), device=self.vectors.device), self.lengths() - 1]

    def mean(self) -> Tensor:
        """Over each sequence's tokens."""
        return self.vectors.sum(dim=1) / self.lengths()[:, None]

    def lengths(self) -> Tensor:
        """Of each sequence."""
        return self.present.sum(dim=1)


def padded(sequences: Sequences, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids [sequences, tokens], 0 (<pad>) behind the end, and where there is one."""
    lengths = torch.from_numpy(sequences.lengths).to(device)
    present = torch.arange(int(sequences.lengths.max()), device=device) < lengths[:, None]
    ids = torch.zeros(present.shape, dtype=torch.long, device=device)
    ids[present] = torch.from_numpy(sequences.tokens).to(device)
    return ids, present


class Convolution(nn.Module):
    """One over tokens, and its activation: [sequences, channels, tokens + kernel - 1] to [sequences, channels, tokens]."""

    def __init__(self, channels: int, kernel: int, activation: str) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels, channels * (2 if activation == "glu" else 1), kernel)
        self._activation = _ACTIVATIONS[activation]

    def forward(self, values: Tensor) -> Tensor:
        """See above."""
        return self._activation(self.convolution(values))
