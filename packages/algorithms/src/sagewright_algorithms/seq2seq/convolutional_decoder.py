"""The convolutional decoder (Gehring et al.): each layer sees the tokens before it, and looks at the source."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagewright_algorithms.seq2seq.decoders import Context, Decoder, State, Step
from sagewright_algorithms.seq2seq.layers import RESIDUAL_SCALE, Convolution, Memory
from sagewright_algorithms.seq2seq.settings import NetworkSettings


class ConvolutionalDecoder(Decoder):
    """A state holds what each layer has read of the last tokens, as far as its kernel reaches back."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self._settings = settings
        channels, kernel, layers = settings.cnn_num_hidden, settings.cnn_kernel_width_decoder, settings.num_layers_decoder
        self._before = kernel - 1
        self.embedding = nn.Embedding(settings.target_vocab, settings.num_embed_target)
        self.places = nn.Embedding(settings.max_seq_len_target + 1, settings.num_embed_target)
        self.widen = nn.Linear(settings.num_embed_target, channels)
        self.layers = nn.ModuleList(Convolution(channels, kernel, settings.cnn_activation_type) for _ in range(layers))
        self.queries = nn.ModuleList(nn.Linear(channels, settings.memory_width) for _ in range(layers))
        self.seen = nn.ModuleList(nn.Linear(settings.memory_width, channels) for _ in range(layers))

    def context(self, memory: Memory) -> Context:
        """The memory itself is the keys."""
        return Context(memory, ())

    def start(self, context: Context) -> State:
        """Nothing was read."""
        vectors = context.memory.vectors
        nothing = vectors.new_zeros(len(vectors), self._settings.cnn_num_hidden, self._before)
        return State((nothing,) * len(self.layers))

    def step(self, ids: Tensor, state: State, context: Context) -> Step:
        """See Decoder."""
        values, kept, weights = self._embedded(ids[:, None], state.steps), [], []
        for number, read in enumerate(state.tensors):
            window = torch.cat([read, values], dim=2)
            kept.append(window[:, :, 1:])
            values, looked = self._layer(number, window, values, context.memory)
            weights.append(looked[:, 0])
        return Step(values[:, :, 0], torch.stack(weights).mean(dim=0), State(tuple(kept), state.steps + 1))

    def forward(self, ids: Tensor, context: Context) -> Tensor:
        """See Decoder."""
        values = self._embedded(ids, 0)
        for number in range(len(self.layers)):
            window = functional.dropout(values, self._settings.cnn_hidden_dropout, self.training)
            values, _ = self._layer(number, functional.pad(window, (self._before, 0)), values, context.memory)
        return values.transpose(1, 2)

    def _embedded(self, ids: Tensor, start: int) -> Tensor:
        """[sequences, channels, tokens]."""
        embedded = self.embedding(ids) + self.places.weight[start : start + ids.shape[1]]
        embedded = functional.dropout(embedded, self._settings.embed_dropout_target, self.training)
        widened: Tensor = self.widen(embedded)
        return widened.transpose(1, 2)

    def _layer(self, number: int, window: Tensor, values: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """What the layer makes of ``window`` and adds to ``values``, and its weights [sequences, tokens, source tokens]."""
        made = self.layers[number](window).transpose(1, 2)
        scores = self.queries[number](made) @ memory.vectors.transpose(1, 2) / memory.vectors.shape[2] ** 0.5
        weights = scores.masked_fill(~memory.present[:, None, :], -torch.inf).softmax(dim=2)
        made = (made + self.seen[number](weights @ memory.vectors)) * RESIDUAL_SCALE
        return (values + made.transpose(1, 2)) * RESIDUAL_SCALE, weights
