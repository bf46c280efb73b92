"""Targets for many sources: those of about the same length are searched together."""

from __future__ import annotations

import numpy as np

from sagewright_algorithms.common.sequences import Sequences
from sagewright_algorithms.seq2seq.beam_search import Found, search
from sagewright_algorithms.seq2seq.lengths import LengthRatio
from sagewright_algorithms.seq2seq.network import Network

_BEAMS_TOGETHER = 320
"""Sources times beam of one search."""


class Translator:
    """``network`` is in evaluation mode."""

    def __init__(self, network: Network, beam: int, ratio: LengthRatio) -> None:
        self.network = network
        self._beam, self._ratio = beam, ratio

    def translate(self, sources: Sequences) -> list[Found]:
        """In the order of the sources; nothing for a source without tokens."""
        lengths, settings = sources.lengths, self.network.settings
        found = [Found([], np.zeros((0, 0), np.float32))] * len(sources)
        order = np.argsort(lengths, kind="stable")[(lengths == 0).sum() :]
        together = max(1, _BEAMS_TOGETHER // self._beam)
        for start in range(0, len(order), together):
            rows = order[start : start + together]
            chosen = sources.take(rows).cut(settings.max_seq_len_source)
            longest = self._ratio.longest(chosen.lengths, settings.max_seq_len_target)
            for row, answer in zip(rows, search(self.network, chosen, self._beam, longest), strict=True):
                found[row] = answer
        return found
