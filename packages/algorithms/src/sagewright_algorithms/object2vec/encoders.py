"""The encoders: what makes one vector of a sequence of tokens (DG:object2vec-hyperparameters; InferSent's forms, where AWS is silent).

All of them take a batch as flat tokens and starts, and give the same vector whatever else is in the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagewright_algorithms.object2vec.settings import HCNN, POOLED, EncoderSettings

EMBEDDING_SCALE = 0.07
"""Token vectors start uniformly within this (MXNet's usual start)."""


class Encoder(nn.Module):
    """Token vectors, and what makes one of them: ``[sequences, enc_dim]``."""

    def __init__(self, settings: EncoderSettings, enc_dim: int, dropout: float, table: nn.Parameter, lazy: bool) -> None:
        super().__init__()
        self.table, self._lazy = table, lazy
        self._pooled = settings.network == POOLED
        width = settings.token_embedding_dim
        if settings.network == HCNN:
            self.body: nn.Module = HierarchicalConvolution(width, enc_dim, settings.layers, settings.cnn_filter_width, dropout)
        elif not self._pooled:
            self.body = BidirectionalLstm(width, enc_dim, settings.layers, dropout)
        self._dropout = dropout

    def forward(self, tokens: Tensor, starts: Tensor) -> Tensor:
        """``tokens`` of all sequences one after the other; sequence i from ``starts[i]`` to ``starts[i + 1]``."""
        if self._pooled:
            pooled = functional.embedding_bag(
                tokens, self.table, starts, mode="mean", sparse=self._lazy, include_last_offset=True
            )
            return functional.dropout(pooled, self._dropout, self.training)
        lengths = starts.diff()
        longest = max(int(lengths.max()), 1)
        present = torch.arange(longest, device=tokens.device) < lengths[:, None]
        padded = tokens.new_zeros(present.shape)
        padded[present] = tokens
        vectors = functional.embedding(padded, self.table, sparse=self._lazy)
        vectors = functional.dropout(vectors, self._dropout, self.training)
        encoded: Tensor = self.body(vectors, present)
        return encoded


class HierarchicalConvolution(nn.Module):
    """Convolutions one above the other; the largest value of each channel of each layer makes the vector."""

    def __init__(self, width: int, enc_dim: int, layers: int, filter_width: int, dropout: float) -> None:
        super().__init__()
        channels = [enc_dim // layers + (layer < enc_dim % layers) for layer in range(layers)]
        widths = zip([width, *channels[:-1]], channels, strict=True)
        self.layers = nn.ModuleList(nn.Conv1d(before, after, filter_width) for before, after in widths)
        self._around = (filter_width - 1) // 2, filter_width // 2
        self._dropout = dropout

    def forward(self, vectors: Tensor, present: Tensor) -> Tensor:
        """``vectors`` [sequences, tokens, width], ``present`` [sequences, tokens]: where there is a token."""
        keep = present[:, None, :].to(vectors.dtype)
        current, found = vectors.transpose(1, 2), []
        for layer in self.layers:
            current = (
                functional.relu(layer(functional.pad(current * keep, self._around))) * keep
            )  # never negative: what is absent cannot be the largest
            found.append(current.amax(dim=2))
            current = functional.dropout(current, self._dropout, self.training)
        return torch.cat(found, dim=1)


class BidirectionalLstm(nn.Module):
    """LSTMs in both directions, one above the other; the largest value of each channel over all tokens makes the vector.

    The backward one reads each sequence turned round, so that padding comes last for both and changes nothing.
    """

    def __init__(self, width: int, enc_dim: int, layers: int, dropout: float) -> None:
        super().__init__()
        hidden = enc_dim - enc_dim // 2, enc_dim // 2
        widths = [width] + [enc_dim] * (layers - 1)
        self.forwards = nn.ModuleList(nn.LSTM(before, hidden[0], batch_first=True) for before in widths)
        self.backwards = nn.ModuleList(nn.LSTM(before, hidden[1], batch_first=True) for before in widths)
        self._dropout = dropout

    def forward(self, vectors: Tensor, present: Tensor) -> Tensor:
        """See HierarchicalConvolution."""
        places = torch.arange(present.shape[1], device=present.device)
        turned = torch.where(present, present.sum(dim=1, keepdim=True) - 1 - places, places)
        current = vectors
        for number, (ahead, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            if number:
                current = functional.dropout(current, self._dropout, self.training)
            current = torch.cat([ahead(current)[0], _rows(back(_rows(current, turned))[0], turned)], dim=2)
        largest = current.masked_fill(~present[:, :, None], -torch.inf).amax(dim=1)
        return largest.masked_fill(~present.any(dim=1, keepdim=True), 0.0)  # a sequence without tokens


def _rows(vectors: Tensor, places: Tensor) -> Tensor:
    """The vectors of each sequence in another order."""
    return vectors.gather(1, places[:, :, None].expand(-1, -1, vectors.shape[2]))
