"""The encoders: recurrent in both directions (Bahdanau et al.) and convolutional (Gehring et al.)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sagewright_algorithms.seq2seq.layers import RESIDUAL_SCALE, Convolution, Memory
from sagewright_algorithms.seq2seq.settings import RNN, NetworkSettings

RECURRENT = {"lstm": nn.LSTM, "gru": nn.GRU}


def encoder(settings: NetworkSettings) -> nn.Module:
    """Of token ids [sequences, tokens] and where there is one: a Memory."""
    return RecurrentEncoder(settings) if settings.encoder_type == RNN else ConvolutionalEncoder(settings)


class RecurrentEncoder(nn.Module):
    """The first layer reads in both directions, the others on top of it forward."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self._settings = settings
        hidden, make = settings.rnn_num_hidden, RECURRENT[settings.rnn_cell_type]
        self.embedding = nn.Embedding(settings.source_vocab, settings.num_embed_source)
        self.both_ways = make(settings.num_embed_source, hidden // 2, batch_first=True, bidirectional=True)
        self.upper = nn.ModuleList(make(hidden, hidden, batch_first=True) for _ in range(settings.num_layers_encoder - 1))

    def forward(self, ids: Tensor, present: Tensor) -> Memory:
        """See above."""
        settings = self._settings
        embedded = functional.dropout(self.embedding(ids), settings.embed_dropout_source, self.training)
        packed = pack_padded_sequence(embedded, present.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False)
        vectors, _ = pad_packed_sequence(self.both_ways(packed)[0], batch_first=True)
        for number, layer in enumerate(self.upper, 2):
            made = layer(vectors)[0]
            vectors = vectors + made if settings.residual(number) else made
        return Memory(vectors * present[:, :, None], present)


class ConvolutionalEncoder(nn.Module):
    """Words and their places, and convolutions that add to what came in."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self._settings = settings
        channels, kernel = settings.cnn_num_hidden, settings.cnn_kernel_width_encoder
        self.embedding = nn.Embedding(settings.source_vocab, settings.num_embed_source)
        self.places = nn.Embedding(settings.max_seq_len_source, settings.num_embed_source)
        self.widen = nn.Linear(settings.num_embed_source, channels)
        self.layers = nn.ModuleList(
            Convolution(channels, kernel, settings.cnn_activation_type) for _ in range(settings.num_layers_encoder)
        )
        self._around = (kernel - 1) // 2, kernel // 2

    def forward(self, ids: Tensor, present: Tensor) -> Memory:
        """See above."""
        settings, keep = self._settings, present[:, None, :].to(torch.get_default_dtype())
        embedded = self.embedding(ids) + self.places.weight[: ids.shape[1]]
        embedded = functional.dropout(embedded, settings.embed_dropout_source, self.training)
        values = self.widen(embedded).transpose(1, 2) * keep
        for layer in self.layers:
            given = functional.dropout(values, settings.cnn_hidden_dropout, self.training)
            values = (values + layer(functional.pad(given, self._around))) * RESIDUAL_SCALE * keep
        return Memory(values.transpose(1, 2), present)
