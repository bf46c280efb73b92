"""Topics from moments: the second whitens the third, and alternating least squares takes that apart (DG:lda-how-it-works;
Anandkumar et al., "Tensor Decompositions for Learning Latent Variable Models", 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from sagewright_algorithms.common.matrix import Doubles
from sagewright_algorithms.lda.documents import Documents, lengths

_EXTRA = 1.25  # topics looked for; those with the largest priors are kept (DG)
_FULL_MATRIX = 256
"""Up to so many words the matrix of second moments is made."""
_SHORTEST = 3
"""Words that a document needs to tell of third moments."""
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Search:
    """AWS's hyperparameters of the decomposition."""

    concentration: float
    restarts: int
    iterations: int
    tolerance: float


def topics(documents: Documents, count: int, search: Search, random: np.random.Generator) -> Doubles:
    """[topics, words], the most frequent first: ``count`` of them, or fewer when the documents do not tell as many apart."""
    kept = lengths(documents) >= _SHORTEST
    moments = _Moments.of(documents.counts[np.flatnonzero(kept)], search.concentration)
    wanted = min(int(np.ceil(count * _EXTRA)), moments.words)
    if moments.documents == 0 or wanted == 0:
        return np.zeros((0, moments.words))
    values, vectors = _largest(moments, wanted, random)
    whitening = vectors / np.sqrt(values)
    if not len(values):
        return np.zeros((0, moments.words))
    strengths, directions = decompose(moments.whitened_third(whitening), search, random)
    found = directions @ (vectors * np.sqrt(values)).T  # back from white, up to a factor
    found *= np.where(found.sum(axis=1) < 0, -1.0, 1.0)[:, None]
    found = np.maximum(found, 0.0)
    usable = (found.sum(axis=1) > 0) & (strengths > 0)
    found, strengths = found[usable], strengths[usable]
    order = np.argsort(strengths, kind="stable")[:count]  # a large strength is a small prior
    return np.asarray(found[order] / found[order].sum(axis=1, keepdims=True))


def decompose(tensor: Doubles, search: Search, random: np.random.Generator) -> tuple[Doubles, Doubles]:
    """A symmetric tensor as a sum of strength times direction three times: strengths [n], directions [n, n] of length 1."""
    size = len(tensor)
    unfolded = tensor.reshape(size, size * size)
    found = [_alternate(unfolded, np.linalg.qr(random.normal(size=(size, size)))[0], search) for _ in range(search.restarts)]
    _, strengths, directions = min(found, key=lambda result: result[0])
    return strengths, directions


def _alternate(unfolded: Doubles, directions: Doubles, search: Search) -> tuple[float, Doubles, Doubles]:
    """Least squares for one of three factors that are the same (rows), until they fit hardly better; the share not explained."""
    strengths, total = np.ones(len(directions)), float(np.square(unfolded).sum()) or 1.0
    error = np.inf
    for _ in range(search.iterations):
        seen, likeness = _pairs(directions) @ unfolded.T, directions @ directions.T
        explained = 2 * strengths @ (directions * seen).sum(axis=1) - strengths @ likeness**3 @ strengths
        before, error = error, 1 - float(explained) / total
        if abs(before - error) <= search.tolerance:
            break
        solved = np.linalg.pinv(np.square(likeness), hermitian=True) @ seen
        strengths = np.linalg.norm(solved, axis=1)
        directions = solved / np.where(strengths > 0, strengths, 1.0)[:, None]
    return error, strengths, directions


def _pairs(directions: Doubles) -> Doubles:
    """Each direction times itself, flat."""
    return np.asarray((directions[:, :, None] * directions[:, None, :]).reshape(len(directions), -1))


@dataclass(frozen=True, slots=True)
class _Moments:
    """Of words drawn from one document, without those of a single mixture for all. ``counts``: array or csr_matrix."""

    counts: Any
    sizes: Doubles
    mean: Doubles
    concentration: float

    @classmethod
    def of(cls, counts: Any, concentration: float) -> _Moments:
        sizes = np.asarray(counts.sum(axis=1), np.float64).ravel()
        mean = _weighted_sum(counts, 1 / (np.maximum(sizes, 1) * max(len(sizes), 1)))
        return cls(counts, sizes, mean, concentration)

    @property
    def documents(self) -> int:
        return int(self.counts.shape[0])

    @property
    def words(self) -> int:
        return int(self.counts.shape[1])

    def second(self, vectors: Doubles) -> Doubles:
        """The second moment [words, words] times ``vectors`` [words, n]."""
        weights = 1 / (self.sizes * (self.sizes - 1) * self.documents)
        found = self.counts.T @ (weights[:, None] * (self.counts @ vectors))
        found -= _weighted_sum(self.counts, weights)[:, None] * vectors
        share = self.concentration / (self.concentration + 1)
        return np.asarray(found - share * self.mean[:, None] * (self.mean @ vectors), np.float64)

    def whitened_third(self, whitening: Doubles) -> Doubles:
        """The third moment seen through ``whitening`` [words, n]: [n, n, n]."""
        concentration, mean = self.concentration, self.mean @ whitening
        found = self._three_words(whitening)
        pairs = whitening.T @ self._two_words(whitening)
        share = concentration / (concentration + 2)
        found -= share * _three_ways(pairs[:, :, None] * mean)
        alone = mean[:, None, None] * mean[:, None] * mean
        return np.asarray(found + 2 * concentration * share / (concentration + 1) * alone)

    def _two_words(self, whitening: Doubles) -> Doubles:
        share = self.concentration / (self.concentration + 1)
        return self.second(whitening) + share * self.mean[:, None] * (self.mean @ whitening)

    def _three_words(self, whitening: Doubles) -> Doubles:
        """Three different words of a document: all triples, less those with a word twice or three times."""
        size = whitening.shape[1]
        weights = 1 / (self.sizes * (self.sizes - 1) * (self.sizes - 2) * self.documents)
        seen = np.asarray(self.counts @ whitening, np.float64)
        found = np.zeros((size, size * size))
        for start in range(0, self.documents, _BLOCK):
            block = seen[start : start + _BLOCK]
            found += (weights[start : start + _BLOCK, None] * block).T @ _pairs(block)
        twice = np.asarray(self.counts.T @ (weights[:, None] * seen), np.float64)
        singles, doubles = np.zeros((size, size * size)), np.zeros((size, size * size))
        once = _weighted_sum(self.counts, weights)
        for start in range(0, self.words, _BLOCK):
            place = slice(start, start + _BLOCK)
            pairs = _pairs(whitening[place])
            doubles += twice[place].T @ pairs
            singles += (once[place, None] * whitening[place]).T @ pairs
        shape = (size, size, size)
        return np.asarray(found.reshape(shape) - _three_ways(doubles.reshape(shape)) + 2 * singles.reshape(shape))


def _largest(moments: _Moments, count: int, random: np.random.Generator) -> tuple[Doubles, Doubles]:
    """The largest eigenvalues of the second moment that are not noise, and their vectors [words, n]."""
    words = moments.words
    if words <= _FULL_MATRIX or count >= words:
        values, vectors = np.linalg.eigh(moments.second(np.eye(words)))
    else:
        operator = LinearOperator(
            (words, words),
            matvec=lambda vector: moments.second(vector.reshape(-1, 1))[:, 0],
            matmat=moments.second,
            dtype=np.float64,
        )
        values, vectors = eigsh(operator, k=count, which="LA", v0=random.normal(size=words))
    order = np.argsort(-values, kind="stable")[:count]
    values, vectors = values[order], vectors[:, order]
    real = values > values[0] * 1e-9 if len(values) else np.zeros(0, bool)
    return values[real], vectors[:, real]


def _weighted_sum(counts: Any, weights: Doubles) -> Doubles:
    return np.asarray(counts.T @ weights, np.float64).ravel()


def _three_ways(tensor: Doubles) -> Doubles:
    """The sum over which of the three sides is the odd one."""
    return np.asarray(tensor + tensor.transpose(1, 2, 0) + tensor.transpose(2, 0, 1))
