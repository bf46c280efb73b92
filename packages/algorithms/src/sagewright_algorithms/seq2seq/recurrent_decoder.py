"""The recurrent decoder (Bahdanau et al.): each step looks at the source, and the next one starts from what it saw."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sagewright_algorithms.seq2seq.attention import attention
from sagewright_algorithms.seq2seq.decoders import Context, Decoder, State, Step
from sagewright_algorithms.seq2seq.layers import Memory
from sagewright_algorithms.seq2seq.settings import NetworkSettings

_CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell}
_STATES = {"lstm": 2, "gru": 1}


class RecurrentDecoder(Decoder):
    """The first layer reads the word and the last hidden vector; its answer is the query of the attention.

    Upper layers read the layer below, with ``rnn_attention_in_upper_layers`` the weighted source, too. The tensors of a state are
    those of each layer, then the hidden vector.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self._settings = settings
        hidden, memory = settings.rnn_num_hidden, settings.memory_width
        self._states = _STATES[settings.rnn_cell_type]
        self.embedding = nn.Embedding(settings.target_vocab, settings.num_embed_target)
        above = hidden + (memory if settings.rnn_attention_in_upper_layers else 0)
        widths = [settings.num_embed_target + hidden] + [above] * (settings.num_layers_decoder - 1)
        self.cells = nn.ModuleList(_CELLS[settings.rnn_cell_type](width, hidden) for width in widths)
        starts = 0 if settings.rnn_decoder_state_init == "zero" else len(widths) * self._states
        self.starts = nn.ModuleList(nn.Linear(memory, hidden) for _ in range(starts))
        self.attention = attention(settings.rnn_attention_type, memory, hidden, settings.rnn_attention_num_hidden)
        self.combine = nn.Linear(hidden + memory, hidden)

    def context(self, memory: Memory) -> Context:
        """See Decoder."""
        return Context(memory, (self.attention.keys(memory),))

    def start(self, context: Context) -> State:
        """rnn_decoder_state_init: made of the encoder's last vector, of their mean, or zero."""
        memory = context.memory
        nothing = memory.vectors.new_zeros(len(memory.vectors), self._settings.rnn_num_hidden)
        if not self.starts:
            return State((nothing,) * (len(self.cells) * self._states + 1))
        seen = memory.last() if self._settings.rnn_decoder_state_init == "last" else memory.mean()
        return State((*(torch.tanh(layer(seen)) for layer in self.starts), nothing))

    def step(self, ids: Tensor, state: State, context: Context) -> Step:
        """See Decoder."""
        return self._step(self.embedding(ids), state, context)

    def forward(self, ids: Tensor, context: Context) -> Tensor:
        """See Decoder."""
        embedded = functional.dropout(self.embedding(ids), self._settings.embed_dropout_target, self.training)
        state, found = self.start(context), []
        for word in embedded.unbind(dim=1):
            hidden, _, state = self._step(word, state, context)
            found.append(hidden)
        return torch.stack(found, dim=1)

    def _step(self, word: Tensor, state: State, context: Context) -> Step:
        settings = self._settings
        *tensors, last = state.tensors
        made = self._cell(0, torch.cat([word, last], dim=1), tensors)
        output = made[0]
        seen, weights = self.attention(output, context.keys[0], context.memory)
        for number in range(1, len(self.cells)):
            given = torch.cat([output, seen], dim=1) if settings.rnn_attention_in_upper_layers else output
            upper = self._cell(number, given, tensors)
            output = output + upper[0] if settings.residual(number + 1) else upper[0]
            made += upper
        both = functional.dropout(torch.cat([output, seen], dim=1), settings.rnn_decoder_hidden_dropout, self.training)
        hidden = torch.tanh(self.combine(both))
        return Step(hidden, weights, State((*made, hidden), state.steps + 1))

    def _cell(self, number: int, given: Tensor, tensors: list[Tensor]) -> tuple[Tensor, ...]:
        """The new tensors of one layer; the first of them is its answer."""
        if self._states == 1:
            return (self.cells[number](given, tensors[number]),)
        before = tensors[2 * number], tensors[2 * number + 1]
        made: tuple[Tensor, Tensor] = self.cells[number](given, before)
        return made
