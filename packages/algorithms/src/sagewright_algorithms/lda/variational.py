"""Mixtures of documents, and topics that explain the documents better: variational expectation and maximisation
(Blei, Ng and Jordan, "Latent Dirichlet Allocation", 2003).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import psi

from sagewright_algorithms.common.matrix import Doubles, Floats
from sagewright_algorithms.lda.documents import Documents, lengths, part_of

_SMOOTHING = 0.01
"""Words that each topic is given beside those it was seen with: none is impossible."""
_TURNS = 100  # at most, of one document
_FIRST_TURNS = 20  # before the first pass; then one turn a pass: more make topics settle before the mixtures are right
_SETTLED = 1e-4  # mean change of a mixture
_PATIENCE = 2  # passes
_TINY = np.float32(1e-30)


@dataclass(frozen=True, slots=True)
class Improvement:
    """Topics [topics, words] after a pass; the log likelihood of a word with those before it."""

    topics: Doubles
    likelihood: float


def words_of(topics: Floats | Doubles) -> Floats:
    """[words, topics] of [topics, words]; none is impossible."""
    return np.ascontiguousarray(topics.T, np.float32) + _TINY


def mixtures(documents: Documents, prior: Doubles, words: Floats) -> Floats:
    """The share of each topic [documents, topics]; a document without words has the prior's."""
    weights = _started(documents, prior, words, _TURNS)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def likelihood(documents: Documents, found: Floats, words: Floats) -> float:
    """The log probability of a word under mixtures and topics, on average."""
    total = sum(part.explained(found[place], words)[1] for place, part in documents.parts(words.shape[1]))
    return total / max(float(lengths(documents).sum()), 1.0)


def improved(documents: Documents, prior: Doubles, topics: Doubles, passes: int, gain: float = 0.0) -> Iterator[Improvement]:
    """After each pass over the documents; the end when several passes have brought less than ``gain`` a word."""
    weights = _started(documents, prior, words_of(topics), _FIRST_TURNS)
    total, best, idle = max(float(lengths(documents).sum()), 1.0), -np.inf, 0
    for _ in range(passes):
        words, gathered, found = words_of(topics), np.zeros(topics.shape[::-1]), 0.0
        for place, part in documents.parts(len(prior)):
            expected = _expected(weights[place])
            explained, probability = part.explained(expected, words)
            gathered += explained.T @ expected
            weights[place] = prior + expected * (explained @ words)
            found += probability - float(lengths(part) @ np.log(expected.sum(axis=1, dtype=np.float64)))
        topics = (gathered * words).T + _SMOOTHING
        topics /= topics.sum(axis=1, keepdims=True)
        yield Improvement(topics, found / total)
        idle = idle + 1 if found / total - best < gain else 0
        best = max(best, found / total)
        if idle == _PATIENCE:
            return


def _started(documents: Documents, prior: Doubles, words: Floats, turns: int) -> Doubles:
    """Dirichlet weights [documents, topics] that hardly change any more."""
    found = np.empty((len(documents), len(prior)))
    for place, part in documents.parts(len(prior)):
        found[place] = _settled(part, prior, words, turns)
    return found


def _settled(documents: Documents, prior: Doubles, words: Floats, turns: int) -> Doubles:
    """Each document stops by itself: what it gets does not depend on those beside it."""
    weights = prior + (lengths(documents) / len(prior))[:, None]
    places, moving, turning = np.arange(len(documents)), np.ones(len(documents), bool), documents
    for _ in range(turns):
        before = weights[places]
        expected = _expected(before)
        turned = prior + expected * (turning.explained(expected, words)[0] @ words)
        weights[places[moving]] = turned[moving]
        moving &= np.abs(turned - before).sum(axis=1) >= _SETTLED * turned.sum(axis=1)
        if not moving.any():
            break
        if moving.sum() * 2 < len(moving):
            places, turning, moving = places[moving], part_of(turning, np.flatnonzero(moving)), moving[moving]
    return weights


def _expected(weights: Doubles) -> Floats:
    """exp of the expected logarithm of each share."""
    return np.asarray(np.exp(psi(weights) - psi(weights.sum(axis=1, keepdims=True))), np.float32) + _TINY
