"""Sequences of token ids, one after the other in one array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.matrix import Integers

Indices = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Sequences:
    """Sequence i holds ``tokens`` from ``starts[i]`` to ``starts[i + 1]``."""

    tokens: Integers
    starts: Integers

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Integers:
        """Of each sequence."""
        return np.diff(self.starts)

    def take(self, rows: Indices) -> Sequences:
        """The sequences of these rows."""
        return self._cut(rows, self.lengths[rows])

    def cut(self, longest: int) -> Sequences:
        """At most so many tokens of each sequence."""
        lengths = self.lengths
        return self if (lengths <= longest).all() else self._cut(np.arange(len(self)), np.minimum(lengths, longest))

    def rows(self) -> list[list[int]]:
        """As lists."""
        return [row.tolist() for row in np.split(self.tokens, self.starts[1:-1])] if len(self) else []

    def _cut(self, rows: Indices, lengths: Integers) -> Sequences:
        starts = starts_of(lengths)
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], lengths)
        return Sequences(self.tokens[places], starts)


def of_rows(found: Sequence[list[int]]) -> Sequences:
    """Lists of token ids as arrays."""
    starts = starts_of(np.fromiter(map(len, found), np.int64, len(found)))
    return Sequences(np.fromiter(chain.from_iterable(found), np.int64, int(starts[-1])), starts)


def joined(parts: Sequence[Sequences]) -> Sequences:
    """All sequences of all parts."""
    return Sequences(
        np.concatenate([np.zeros(0, np.int64), *(part.tokens for part in parts)]),
        starts_of(np.concatenate([np.zeros(0, np.int64), *(part.lengths for part in parts)])),
    )


def starts_of(lengths: Integers) -> Integers:
    """Where each sequence of these lengths starts, and where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
