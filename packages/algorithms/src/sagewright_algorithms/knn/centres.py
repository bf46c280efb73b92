"""Where the inverted lists and the words of a quantizer lie: Lloyd's algorithm in float32, as rough as faiss's."""

from __future__ import annotations

import numpy as np

from sagewright_algorithms.common.matrix import Floats, Integers

_ROWS_PER_CENTRE = 256
"""More rows than this for each centre teach it nothing (faiss takes as many)."""
_PRODUCTS = 1 << 18
"""Multiplications at a time: OpenBLAS does so few on one thread, which saves waiting for another, and they stay in the cache."""
_LEAST_ROWS = 64


def centres(rows: Floats, count: int, iterations: int, random: np.random.Generator) -> Floats:
    """``count`` centres of the rows, which must be as many at least; ``random`` rows to begin with."""
    limit = count * _ROWS_PER_CENTRE
    sample = rows if len(rows) <= limit else rows[random.choice(len(rows), limit, replace=False)]
    middle = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    points = sample - middle  # far from the origin float32 would not tell them apart
    found = points[random.choice(len(points), count, replace=False)]
    for _ in range(iterations):
        owner = _nearest(points, found)
        counts = np.bincount(owner, minlength=count)
        kept = counts > 0
        found[kept] = _sums(points, owner, count)[kept] / counts[kept, None].astype(np.float32)
    return np.asarray(found + middle, np.float32)


def owners(rows: Floats, found: Floats) -> Integers:
    """The number of each row's nearest centre."""
    middle = found.mean(axis=0, dtype=np.float64).astype(np.float32)
    return _nearest(rows - middle, found - middle)


def _nearest(points: Floats, found: Floats) -> Integers:
    """What is the same for all centres of a row is left out of the distance."""
    norms, doubled = np.einsum("ij,ij->i", found, found), -2 * found.T
    step = max(_LEAST_ROWS, _PRODUCTS // found.size)
    owner = np.empty(len(points), np.int64)
    for start in range(0, len(points), step):
        costs = points[start : start + step] @ doubled
        costs += norms
        owner[start : start + step] = costs.argmin(axis=1)
    return owner


def _sums(points: Floats, owner: Integers, count: int) -> Floats:
    """Column by column: SciPy's sparse product would be faster, but its import takes longer than all of this."""
    columns = [np.bincount(owner, column, count) for column in points.T]
    return np.stack(columns, axis=1).astype(np.float32)
