"""Griffiths and Steyvers' bars: topics are the rows and columns of a square of five by five words, documents mix them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 5
WORDS, TOPICS = SIDE * SIDE, 2 * SIDE
Table = NDArray[np.float64]


@dataclass(frozen=True)
class Bars:
    """``counts`` [documents, words], ``mixtures`` [documents, topics], ``topics`` [topics, words]."""

    counts: Table
    mixtures: Table
    topics: Table


def bars(documents: int, words: int = 150, seed: int = 0) -> Bars:
    """Mixtures are drawn from a Dirichlet distribution whose weights add up to 1."""
    random = np.random.default_rng(seed)
    rows, columns = np.zeros((SIDE, SIDE, SIDE)), np.zeros((SIDE, SIDE, SIDE))
    for place in range(SIDE):
        rows[place, place, :] = columns[place, :, place] = 1 / SIDE
    topics = np.concatenate([rows, columns]).reshape(TOPICS, WORDS)
    mixtures = random.dirichlet(np.full(TOPICS, 1 / TOPICS), documents)
    counts = np.array([random.multinomial(words, mixture @ topics) for mixture in mixtures], float)
    return Bars(counts, mixtures, topics)
