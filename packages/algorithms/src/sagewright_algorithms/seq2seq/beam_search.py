"""The likeliest target of each source, as far as a beam of unfinished ones sees."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sagewright_algorithms.common.matrix import Floats, Integers
from sagewright_algorithms.common.sequences import Sequences
from sagewright_algorithms.seq2seq.network import Network
from sagewright_algorithms.seq2seq.vocabulary import END, PAD, START

_LENGTH_PENALTY = 1.0
"""Scores are divided by the number of tokens to this power (Sockeye's alpha)."""


class Found(NamedTuple):
    """``tokens`` without the end; ``matrix`` [tokens, source tokens]: how much each source token counted."""

    tokens: list[int]
    matrix: Floats


def search(network: Network, sources: Sequences, beam: int, longest: Integers) -> list[Found]:
    """``longest``: of each target. The network must be in evaluation mode; no source may be empty."""
    with torch.inference_mode():
        return _Search(network, sources, beam, longest).run()


class _Search:
    """The beams of all sources of a batch go ahead together: [sources, beam]."""

    def __init__(self, network: Network, sources: Sequences, beam: int, longest: Integers) -> None:
        self._network, self._sources, self._beam = network, sources, beam
        self._context = network.read(sources).repeated(beam)
        self._device = network.words.weight.device
        self._longest, self._shortest = torch.from_numpy(longest).to(self._device), int(longest.min())
        self._barred = torch.zeros(network.settings.target_vocab, device=self._device)
        self._barred[[PAD, START]] = -torch.inf
        count = len(sources)
        self._finished = torch.zeros(count, dtype=torch.long, device=self._device)
        self._best = torch.full((count,), -torch.inf, device=self._device)
        self._best_end = torch.zeros(count, 2, dtype=torch.long, device=self._device)  # step and beam of the best one's end
        self._tokens: list[Tensor] = []
        self._origins: list[Tensor] = []
        self._weights: list[Tensor] = []

    def run(self) -> list[Found]:
        """See ``search``."""
        count, beam = len(self._sources), self._beam
        first = torch.arange(count, device=self._device)[:, None] * beam
        scores = torch.full((count, beam), -torch.inf, device=self._device)
        scores[:, 0] = 0  # all beams are the same still: only one of them may go on
        state, ids = self._network.decoder.start(self._context), torch.full_like(scores, START, dtype=torch.long)
        for step in range(int(self._longest.max()) + 1):
            hidden, weights, state = self._network.decoder.step(ids.view(-1), state, self._context)
            scores, origins, ids = self._chosen(step, scores, self._network.words(hidden))
            self._weights.append(weights.view(count, beam, -1))
            self._origins.append(origins)
            self._tokens.append(ids)
            if self._over(scores):
                break
            state = state.take((first + origins).view(-1))
        return self._traced()

    def _chosen(self, step: int, scores: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The scores, beams and tokens of the best continuations; those that end are noted."""
        beam = self._beam
        likely = (logits + self._barred).log_softmax(dim=1).view(*scores.shape, -1)
        if step >= self._shortest:  # some targets have to end here
            ends = likely[:, :, END].clone()
            likely.masked_fill_((step >= self._longest)[:, None, None], -torch.inf)
            likely[:, :, END] = ends
        words = likely.shape[2]
        found, places = (scores[:, :, None] + likely).flatten(1).topk(min(2 * beam, beam * words), dim=1)
        origins, ids = places // words, places % words
        ending = ids == END
        self._note(step, found[:, :beam].masked_fill(~ending[:, :beam], -torch.inf), origins)
        order = ending.to(torch.uint8).argsort(dim=1, stable=True)[:, :beam]  # what goes on, the best first
        found = found.masked_fill(ending, -torch.inf)
        return found.gather(1, order), origins.gather(1, order), ids.gather(1, order)

    def _note(self, step: int, ends: Tensor, origins: Tensor) -> None:
        """Targets that end here, unless a source has enough of them."""
        going = self._finished < self._beam
        value, place = (ends / (step + 1) ** _LENGTH_PENALTY).max(dim=1)
        better = going & (value > self._best)
        self._best = torch.where(better, value, self._best)
        beams = origins.gather(1, place[:, None])
        self._best_end = torch.where(better[:, None], torch.cat([torch.full_like(beams, step), beams], dim=1), self._best_end)
        self._finished += ends.isfinite().sum(dim=1)

    def _over(self, scores: Tensor) -> bool:
        """Whether each source has enough targets, or a better one than its beam can still become."""
        possible = scores[:, 0] / (self._longest + 1) ** _LENGTH_PENALTY
        return bool(((self._finished >= self._beam) | (self._best >= possible)).all())

    def _traced(self) -> list[Found]:
        """The best target of each source, from its end back to its start."""
        tokens, origins, ends = (
            np.asarray(part.cpu().numpy()) for part in (torch.stack(self._tokens), torch.stack(self._origins), self._best_end)
        )
        weights = torch.stack(self._weights).cpu().numpy()
        return [
            _trace(tokens[:, row], origins[:, row], weights[:, row, :, :length], *ends[row].tolist())
            for row, length in enumerate(self._sources.lengths)
        ]


def _trace(tokens: npt.NDArray[np.int64], origins: npt.NDArray[np.int64], weights: Floats, step: int, beam: int) -> Found:
    """``tokens`` and ``origins`` [steps, beam], ``weights`` [steps, beam, source tokens] of one source."""
    found, matrix = [], []
    for before in range(step - 1, -1, -1):
        found.append(int(tokens[before, beam]))
        beam = int(origins[before, beam])
        matrix.append(weights[before, beam])
    return Found(found[::-1], np.array(matrix[::-1], np.float32).reshape(len(matrix), weights.shape[2]))
