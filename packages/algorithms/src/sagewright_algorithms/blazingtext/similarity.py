"""How well word vectors agree with people on the likeness of words: Spearman's rank correlation on WordSim-353 (DG:blazingtext).

The list is not ours to ship. gensim has it among its test data: it is taken from there, and gensim itself is never run.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from sagewright_algorithms.common.matrix import Doubles, Floats

Pair = tuple[str, str, float]
_PLACE = ("test", "test_data", "wordsim353.tsv")


@dataclass(frozen=True, slots=True)
class Similarity:
    """``not_found``: pairs with a word that has no vector; ``rho`` is 0 when fewer than two pairs are left."""

    total: int
    not_found: int
    rho: float


def find_list() -> Path | None:
    """The file of word pairs, None when it is not installed. gensim itself is not imported."""
    found = find_spec("gensim")
    folders = found.submodule_search_locations if found is not None else None
    paths = [Path(folder, *_PLACE) for folder in folders or ()]
    return next((path for path in paths if path.is_file()), None)


def read_list(path: Path) -> list[Pair]:
    """Lines of word, word and what people said, divided by tabs; others are comments."""
    with path.open(encoding="utf-8", newline="") as content:
        rows = [row for row in csv.reader(content, delimiter="\t") if len(row) == 3 and not row[0].startswith("#")]
    return [(first.lower(), second.lower(), float(score)) for first, second, score in rows if _is_number(score)]


def measure(pairs: Sequence[Pair], words: Sequence[str], vectors: Floats) -> Similarity:
    """By the cosine of the two vectors."""
    index = {word: number for number, word in enumerate(words)}
    known = [pair for pair in pairs if pair[0] in index and pair[1] in index]
    if len(known) < 2:
        return Similarity(len(pairs), len(pairs) - len(known), 0.0)
    left = vectors[[index[first] for first, _, _ in known]].astype(np.float64)
    right = vectors[[index[second] for _, second, _ in known]].astype(np.float64)
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosines = (left * right).sum(axis=1) / np.where(norms > 0, norms, 1.0)
    return Similarity(len(pairs), len(pairs) - len(known), spearman(cosines, np.array([pair[2] for pair in known])))


def spearman(first: Doubles, second: Doubles) -> float:
    """The correlation of ranks, equal values sharing the mean of theirs; 0 when one of them is constant."""
    left, right = _ranks(first), _ranks(second)
    left, right = left - left.mean(), right - right.mean()
    scale = float(np.sqrt((left @ left) * (right @ right)))
    return float(left @ right) / scale if scale else 0.0


def _ranks(values: Doubles) -> Doubles:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
