"""LSTM layers with zoneout: at each step of training a random part of the state stays as it was (DG:deepar_hyperparameters).

torch's own LSTM knows no zoneout, and to run its cells step by step would record a dozen operations each for the backward
pass. Here that pass is written out, and what does not depend on the next step is done for all steps at once.
tanh(x) = 2 σ(2x) − 1 stands for tanh, which costs several times as much as σ on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class State(NamedTuple):
    """Of all layers, each [rows, cells]."""

    hidden: list[Tensor]
    cell: list[Tensor]

    def repeated(self, times: int) -> State:
        """Each row so many times in a row."""
        return State(*([part.repeat_interleave(times, 0) for part in parts] for parts in self))


class Lstm(nn.Module):
    """``layers`` of ``cells``. Weights are in the order of the gates input, forget, output and of the candidate.

    What the candidate's weights make is halved before tanh.
    """

    def __init__(self, width: int, cells: int, layers: int, zoneout: float) -> None:
        super().__init__()
        self._cells = cells
        self._zoneout = zoneout
        self.inputs = nn.ParameterList(self._drawn(cells if layer else width) for layer in range(layers))
        self.recurrent = nn.ParameterList(self._drawn(cells) for _ in range(layers))
        self.biases = nn.ParameterList(torch.zeros(4 * cells) for _ in range(layers))

    def forward(self, inputs: Tensor) -> tuple[Tensor, State]:
        """Over all steps from an empty state: [steps, rows, width] to [steps, rows, cells] and the state after the last step."""
        state = State([], [])
        for weights, recurrent, bias in zip(self.inputs, self.recurrent, self.biases, strict=True):
            inputs, hidden, cell = _run_layer(inputs @ weights + bias, recurrent, *self._kept(inputs))
            state.hidden.append(hidden)
            state.cell.append(cell)
        return inputs, state

    def step(self, inputs: Tensor, state: State) -> Tensor:
        """One step of prediction, which changes the state: [rows, width] to [rows, cells]."""
        for layer, (weights, recurrent, bias) in enumerate(zip(self.inputs, self.recurrent, self.biases, strict=True)):
            gates = torch.addmm(torch.addmm(bias, inputs, weights), state.hidden[layer], recurrent).sigmoid_()
            entered, forgot, opened, drawn = gates.chunk(4, 1)
            state.cell[layer] = _candidate(entered, forgot, drawn, state.cell[layer])
            state.hidden[layer] = inputs = opened * _squashed(state.cell[layer])
        return inputs

    def _drawn(self, width: int) -> Tensor:
        bound = self._cells**-0.5
        weights = torch.empty(width, 4 * self._cells).uniform_(-bound, bound)
        weights[:, 3 * self._cells :] *= 2
        return weights

    def _kept(self, inputs: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Which parts of the hidden state and of the cell stay, as 0 and 1."""
        if not (self.training and self._zoneout):
            return None, None
        kept = _chances(self._zoneout, (2, *inputs.shape[:2], self._cells), inputs)
        return kept[0], kept[1]


def _chances(chance: float, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """1 with this chance (to a 65 536th) and else 0; a tenth of the time that ``bernoulli_`` takes."""
    count = math.prod(shape)
    bits = torch.empty(-(-count // 4), dtype=torch.int64, device=like.device).random_(-(2**63), None).view(torch.int16)
    threshold = min(round(chance * 2**16), 2**16 - 1) - 2**15
    return (bits[:count] < threshold).to(like.dtype).view(shape)


def _candidate(entered: Tensor, forgot: Tensor, drawn: Tensor, cell: Tensor) -> Tensor:
    """The next cell, f·c + i·tanh; ``drawn`` is (tanh + 1) / 2."""
    return (forgot * cell).addcmul_(entered, drawn, value=2).sub_(entered)


def _squashed(cell: Tensor) -> Tensor:
    """tanh."""
    return (cell * 2).sigmoid_().mul_(2).sub_(1)


class _Layer(torch.autograd.Function):
    """One layer over all steps, from an empty state."""

    @staticmethod
    def forward(
        context: Any, projected: Tensor, recurrent: Tensor, kept_hidden: Tensor | None, kept_cell: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``projected`` is what the gates get of the inputs, [steps, rows, 4 cells]."""
        _, rows, width = projected.shape
        gates = torch.empty_like(projected)
        entered, forgot, opened, drawn = (part.unbind(0) for part in gates.chunk(4, 2))
        hidden, cell = [projected.new_zeros(rows, width // 4)], [projected.new_zeros(rows, width // 4)]
        candidates, squashed, outputs = [], [], []
        for now, (given, gate) in enumerate(zip(projected.unbind(0), gates.unbind(0), strict=True)):
            torch.addmm(given, hidden[now], recurrent, out=gate).sigmoid_()
            candidates.append(_candidate(entered[now], forgot[now], drawn[now], cell[now]))
            squashed.append(_squashed(candidates[now]))
            outputs.append(opened[now] * squashed[now])
            hidden.append(outputs[now] if kept_hidden is None else outputs[now].lerp(hidden[now], kept_hidden[now]))
            cell.append(candidates[now] if kept_cell is None else candidates[now].lerp(cell[now], kept_cell[now]))
        before = torch.stack(hidden[:-1]), torch.stack(cell[:-1])
        context.save_for_backward(recurrent, gates, torch.stack(squashed), *before, kept_hidden, kept_cell)
        context.mark_non_differentiable(hidden[-1], cell[-1])
        return torch.stack(outputs), hidden[-1].clone(), cell[-1].clone()

    @staticmethod
    def backward(context: Any, slopes: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """The state after the last step has no slope: nothing is trained through it."""
        recurrent, gates, squashed, hidden, cell, kept_hidden, kept_cell = context.saved_tensors
        steps, rows, width = gates.shape
        factors, through = _factors(gates, squashed, cell)
        of_gates = torch.empty_like(factors)
        before, forgot = recurrent.t().contiguous(), gates[:, :, width // 4 : width // 2].unbind(0)
        of_hidden, of_cell = torch.zeros_like(slopes[0]), torch.zeros_like(slopes[0])
        for now in range(steps - 1, -1, -1):
            of_output = slopes[now] + (of_hidden if kept_hidden is None else of_hidden * (1 - kept_hidden[now]))
            of_candidate = torch.addcmul(
                of_cell if kept_cell is None else of_cell * (1 - kept_cell[now]), of_output, through[now]
            )
            torch.mul(factors[now], of_candidate[:, None], out=of_gates[now])
            of_gates[now, :, 2] = factors[now, :, 2] * of_output
            of_hidden_before = of_gates[now].view(rows, width) @ before
            of_cell_before = of_candidate * forgot[now]
            of_hidden = of_hidden_before if kept_hidden is None else of_hidden_before.addcmul_(of_hidden, kept_hidden[now])
            of_cell = of_cell_before if kept_cell is None else of_cell_before.addcmul_(of_cell, kept_cell[now])
        found = of_gates.view(steps, rows, width)
        return found, hidden.view(-1, width // 4).t() @ found.view(-1, width), None, None


def _factors(gates: Tensor, squashed: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The slopes of a candidate along what its gates get (of the output along the third), and of an output along its candidate."""
    entered, _, opened, drawn = gates.chunk(4, 2)
    slopes = torch.addcmul(gates, gates, gates, value=-1).view(*gates.shape[:2], 4, -1)
    slopes[:, :, 0] *= drawn * 2 - 1
    slopes[:, :, 1] *= cell
    slopes[:, :, 2] *= squashed
    slopes[:, :, 3] *= entered * 2
    return slopes, opened * (1 - squashed * squashed)


_run_layer: Callable[..., tuple[Tensor, Tensor, Tensor]] = _Layer.apply
