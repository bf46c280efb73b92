"""Documents on the device, and batches of them in random order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sagewright_algorithms.common.matrix import CompressedRows, Floats, Rows, dense

_DENSE_BYTES = 1 << 29
"""A table is not kept compressed below this."""


class Documents(Protocol):
    """Counts of words."""

    def __len__(self) -> int: ...

    def batch(self, places: Tensor) -> Tensor:
        """[places, words], dense; ``places`` lies on the CPU."""


def on_device(rows: Rows, words: int, device: torch.device) -> Documents:
    """``rows`` have at most ``words`` columns."""
    if isinstance(rows, np.ndarray):
        return DenseDocuments(rows, device)
    if len(rows) * words * 4 <= _DENSE_BYTES:
        return DenseDocuments(dense(rows, words), device)
    return SparseDocuments(rows, words, device)


class DenseDocuments:
    """A full table; on the device as a whole."""

    def __init__(self, counts: Floats, device: torch.device) -> None:
        self._counts = torch.from_numpy(np.require(counts, requirements="W")).to(device)

    def __len__(self) -> int:
        return len(self._counts)

    def batch(self, places: Tensor) -> Tensor:
        """See Documents."""
        return self._counts[places.to(self._counts.device)]


class SparseDocuments:
    """Compressed rows; each batch is made dense, as what the decoder answers is."""

    def __init__(self, rows: CompressedRows, words: int, device: torch.device) -> None:
        self._starts, self._indices, self._values = rows.starts, rows.indices, rows.values
        self._words = words
        self._device = device

    def __len__(self) -> int:
        return len(self._starts) - 1

    def batch(self, places: Tensor) -> Tensor:
        """See Documents. A word named twice counts twice."""
        starts = self._starts[places.numpy()]
        lengths = self._starts[places.numpy() + 1] - starts
        ends = np.cumsum(lengths)
        taken = np.arange(int(ends[-1])) + np.repeat(starts - ends + lengths, lengths)
        cells = np.repeat(np.arange(len(places)) * self._words, lengths) + self._indices[taken]
        found = torch.zeros(len(places) * self._words)
        found.index_add_(0, torch.from_numpy(cells), torch.from_numpy(self._values[taken]))
        return found.view(len(places), self._words).to(self._device)


def shuffled(count: int, size: int, share: float, least: int) -> Iterator[Tensor]:
    """Places of a random ``share`` of ``count`` documents, ``size`` at a time; a rest of fewer than ``least`` goes with the one before."""
    order = torch.randperm(count)[: max(least, round(count * share))]
    found = list(torch.split(order, size))
    if len(found) > 1 and len(found[-1]) < least:
        found[-2:] = [torch.cat(found[-2:])]
    yield from found


def in_order(count: int, size: int) -> Iterator[Tensor]:
    """All places, ``size`` at a time."""
    yield from torch.split(torch.arange(count), size)
