"""What the topics are about: their likeliest words, how alike these are (WETC) and how much each topic has of its own (TU).

WETC is the mean cosine of all pairs of a topic's words (Ding, Nallapati and Xiang, "Coherence-Aware Neural Topic Modeling", 2018).
AWS takes GloVe's vectors for the words; here a word's vector is made of the documents: how much more often than by
chance (positive pointwise mutual information) it is in one document with each of the words of all topics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from sagewright_algorithms.common.matrix import Doubles, Floats, Integers, Rows

WORDS = 20  # shown, as AWS shows


@dataclass(frozen=True, slots=True)
class Topic:
    """``words``: numbers, the likeliest first."""

    words: list[int]
    uniqueness: float
    coherence: float


def describe(projection: Floats, rows: Rows) -> list[Topic]:
    """``projection`` [words, topics]; ``rows``: the documents that it was learned from."""
    best = likeliest(projection)
    unique, coherent = uniqueness(best), coherence(best, rows)
    return [Topic(*item) for item in zip(best.tolist(), unique.tolist(), coherent.tolist(), strict=True)]


def likeliest(projection: Floats) -> Integers:
    """[topics, WORDS], or fewer words when the vocabulary has fewer."""
    return np.argsort(-projection.T, axis=1, kind="stable")[:, :WORDS]


def uniqueness(best: Integers) -> Doubles:
    """Of each topic: the mean of 1 / (topics that a word is among the likeliest of)."""
    counts = np.bincount(best.ravel())
    return np.asarray((1 / counts[best]).mean(axis=1))


def coherence(best: Integers, rows: Rows) -> Doubles:
    """WETC of each topic."""
    present = _present(rows, int(best.max()) + 1)[:, np.unique(best)]
    places = np.searchsorted(np.unique(best), best)
    often = np.asarray(present.sum(axis=0), np.float64).ravel()
    return np.array([_mean_cosine(_vectors(present, often, words)) for words in places])


def lines(topics: Sequence[Topic], names: Sequence[str] | None) -> list[str]:
    """As AWS's log has them; without a vocabulary words are numbers, and WETC is not shown."""
    tu = f"tu {np.mean([topic.uniqueness for topic in topics]):.2f}"
    wetc = f"wetc {np.mean([topic.coherence for topic in topics]):.2f}, " if names is not None else ""
    found = [f"Topics from epoch:final (num_topics:{len(topics)}) [{wetc}{tu}]:"]
    for topic in topics:
        scores = f"{topic.coherence:.2f}, {topic.uniqueness:.2f}" if names is not None else f"{topic.uniqueness:.2f}"
        words = (names[word] if names is not None else str(word) for word in topic.words)
        found.append(f"[{scores}] {' '.join(words)}")
    return found


def _present(rows: Rows, least: int) -> csr_matrix:
    """Whether a document has a word: [documents, words], 1 or nothing; at least ``least`` columns."""
    if isinstance(rows, np.ndarray):
        return csr_matrix((rows > 0).astype(np.float32))
    shape = (len(rows), max(rows.width, least))
    found = csr_matrix((rows.values > 0, rows.indices, rows.starts), shape=shape, copy=True).astype(np.float32)
    found.sum_duplicates()
    found.data[:] = found.data > 0
    return found


def _vectors(present: csr_matrix, often: Doubles, words: Integers) -> Doubles:
    """One row for each of ``words``: mutual information with every word of ``present``."""
    together = np.asarray((present[:, words].T @ present).todense(), np.float64)
    chance = np.outer(often[words], often) / present.shape[0]
    ratio = np.divide(together, chance, out=np.ones_like(together), where=chance > 0)
    return np.asarray(np.log(np.maximum(ratio, 1.0)))


def _mean_cosine(vectors: Doubles) -> float:
    count = len(vectors)
    if count < 2:
        return 1.0
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(norms > 0, norms, 1.0)
    return float((np.square(unit.sum(axis=0)).sum() - np.square(unit).sum()) / (count * (count - 1)))
