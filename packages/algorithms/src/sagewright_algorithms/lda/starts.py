"""Where to begin: the spectral topics, and topics that are single documents far from each other. The best after a trial wins.

Spectral topics are exact only when the topics are linearly independent and the documents many; then a few passes find them
better still. Where they are not, they lead into a poor local optimum, as any single start may.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from sagewright_algorithms.common.matrix import Doubles
from sagewright_algorithms.lda.documents import Documents, lengths, part_of
from sagewright_algorithms.lda.spectral import Search, topics
from sagewright_algorithms.lda.variational import Improvement, improved

_SAMPLE = 2000  # documents of a trial
_FIRST_PASSES, _MORE_PASSES, _FINALISTS = 15, 45, 3
_CANDIDATES = 5  # for each further document
_BLUR = 0.1
"""Share of the mean document in a topic that was a single one."""


def best(documents: Documents, count: int, prior: Doubles, search: Search, random: np.random.Generator) -> Doubles:
    """[topics, words]."""
    everything, drawn = len(documents), min(_SAMPLE, len(documents))
    sample = part_of(documents, np.sort(random.choice(everything, drawn, replace=False)))
    seeds = [single_documents(sample, count, random) for _ in range(search.restarts)]
    spectral = topics(documents, count, search, random)
    seeds.append(np.concatenate([spectral, single_documents(sample, count - len(spectral), random)]))
    tried = [_tried(sample, prior, seed, _FIRST_PASSES) for seed in seeds]
    finalists = sorted(tried, key=lambda result: -result.likelihood)[:_FINALISTS]
    return max(
        (_tried(sample, prior, item.topics, _MORE_PASSES) for item in finalists), key=lambda item: item.likelihood
    ).topics


def single_documents(documents: Documents, count: int, random: np.random.Generator) -> Doubles:
    """k-means++ on the square roots of word shares: each further document is likely far from those before."""
    if count == 0:
        return np.zeros((0, documents.counts.shape[1]))
    sizes = lengths(documents)
    filled = np.flatnonzero(sizes > 0)
    roots = csr_matrix(part_of(documents, filled).counts).astype(np.float64)
    roots.data = np.sqrt(roots.data / np.repeat(sizes[filled], np.diff(roots.indptr)))
    chosen = [int(random.integers(len(filled)))]
    distances = _distances(roots, chosen)[0]
    while len(chosen) < count:
        total = np.cumsum(distances)
        drawn = np.minimum(np.searchsorted(total, random.random(_CANDIDATES) * total[-1]), len(filled) - 1)
        closer = np.minimum(_distances(roots, drawn.tolist()), distances)
        winner = int(closer.sum(axis=1).argmin())
        chosen.append(int(drawn[winner]))
        distances = closer[winner]
    mean = np.asarray(roots.power(2).mean(axis=0)).ravel()
    return np.asarray((1 - _BLUR) * roots[chosen].power(2).todense() + _BLUR * mean)


def _distances(roots: csr_matrix, chosen: Sequence[int]) -> Doubles:
    """Squared, from every document to each chosen one: [chosen, documents]. Rows of ``roots`` have length 1."""
    return np.asarray(np.maximum(2 - 2 * np.asarray((roots @ roots[chosen].T).todense()).T, 0.0))


def _tried(documents: Documents, prior: Doubles, seed: Doubles, passes: int) -> Improvement:
    *_, last = improved(documents, prior, seed, passes)
    return last
