"""Documents as counts of words, dense or compressed, and the sums over their words that everything here is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_matrix

from sagewright_algorithms.common.matrix import CompressedRows, Doubles, Floats, Integers, Rows

_DENSE_SHARE = 0.1  # of the cells: from here on products of full matrices are faster
_CELLS = 1 << 19
"""Numbers held at a time: what a processor's cache takes."""


class Documents(Protocol):
    """``counts`` [documents, words], as an array or a csr_matrix."""

    counts: Any

    def __len__(self) -> int: ...

    def explained(self, weights: Floats, words: Floats) -> tuple[Any, float]:
        """Count / probability of each word, in the form of counts, and the sum of log probabilities of all words.

        The probabilities are ``weights`` [documents, topics] times ``words`` [words, topics], turned.
        """

    def parts(self, topics: int) -> Iterator[tuple[slice, Documents]]:
        """Consecutive documents, few enough for ``explained``."""


def of_rows(rows: Rows, words: int) -> Documents:
    """Whatever is faster. The rows have at most ``words`` columns."""
    if isinstance(rows, np.ndarray):
        filled = np.count_nonzero(rows)
        return DenseDocuments(rows) if filled >= _DENSE_SHARE * rows.size else SparseDocuments(csr_matrix(rows))
    counts = csr_matrix((rows.values, rows.indices, rows.starts), shape=(len(rows), words), copy=True)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    if counts.nnz >= _DENSE_SHARE * len(rows) * words:
        return DenseDocuments(np.asarray(counts.todense(), np.float32))
    return SparseDocuments(counts)


def smallest(rows: Rows) -> float:
    """The smallest value."""
    values = rows.values if isinstance(rows, CompressedRows) else rows
    return float(values.min(initial=0))


class DenseDocuments:
    """A full table."""

    def __init__(self, counts: Floats) -> None:
        self.counts = counts

    def __len__(self) -> int:
        return len(self.counts)

    def explained(self, weights: Floats, words: Floats) -> tuple[Floats, float]:
        """See Documents."""
        found = weights @ words.T
        likelihood = float((self.counts * np.log(found)).sum(dtype=np.float64))
        return np.divide(self.counts, found, out=found), likelihood

    def parts(self, topics: int) -> Iterator[tuple[slice, Documents]]:
        """See Documents."""
        step = max(1, _CELLS // self.counts.shape[1])
        for start in range(0, len(self), step):
            place = slice(start, start + step)
            yield place, DenseDocuments(self.counts[place])


class SparseDocuments:
    """Only the words that a document has."""

    def __init__(self, counts: csr_matrix) -> None:
        self.counts = counts

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    def explained(self, weights: Floats, words: Floats) -> tuple[csr_matrix, float]:
        """See Documents. The probabilities are made only where a document has a word."""
        documents = np.repeat(np.arange(len(self)), np.diff(self.counts.indptr))
        found = np.einsum("ij,ij->i", weights[documents], words[self.counts.indices])
        likelihood = float((self.counts.data * np.log(found)).sum(dtype=np.float64))
        shares = csr_matrix((self.counts.data / found, self.counts.indices, self.counts.indptr), shape=self.counts.shape)
        return shares, likelihood

    def parts(self, topics: int) -> Iterator[tuple[slice, Documents]]:
        """See Documents."""
        ends, start = self.counts.indptr, 0
        while start < len(self):
            fitting = int(np.searchsorted(ends, ends[start] + _CELLS // topics, side="right")) - 1
            place = slice(start, max(fitting, start + 1))
            yield place, SparseDocuments(self.counts[place])
            start = place.stop


def part_of(documents: Documents, places: Integers) -> Documents:
    """The documents at ``places``."""
    chosen = documents.counts[places]
    return DenseDocuments(chosen) if isinstance(chosen, np.ndarray) else SparseDocuments(chosen)


def lengths(documents: Documents) -> Doubles:
    """Words of each document."""
    return np.asarray(documents.counts.sum(axis=1), np.float64).ravel()
