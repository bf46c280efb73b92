"""A corpus whose words belong to groups, and how well word vectors tell which."""

from __future__ import annotations

import numpy as np

from sagewright_algorithms.blazingtext import vectors_file

GROUPS, WORDS, NEIGHBOURS = 20, 15, 10


def topical_corpus(lines: int = 20_000, length: int = 10) -> str:
    """Each line holds words of one group only."""
    random = np.random.default_rng(0)
    groups, words = random.integers(0, GROUPS, lines), random.integers(0, WORDS, (lines, length))
    return "\n".join(" ".join(f"g{group}w{word}" for word in row) for group, row in zip(groups, words, strict=True))


def neighbour_precision(content: bytes) -> float:
    """How many of a word's nearest ten are of its group; ``content`` is a vectors.txt."""
    words, vectors = vectors_file.read(content, binary=False)
    kept = [number for number, word in enumerate(words) if word.startswith("g")]
    assert len(kept) == GROUPS * WORDS
    table = vectors[kept] / np.linalg.norm(vectors[kept], axis=1, keepdims=True)
    group = np.array([int(words[number][1:].partition("w")[0]) for number in kept])
    likeness = table @ table.T
    np.fill_diagonal(likeness, -2)
    nearest = np.argsort(-likeness, axis=1)[:, :NEIGHBOURS]
    return float((group[nearest] == group[:, None]).mean())
