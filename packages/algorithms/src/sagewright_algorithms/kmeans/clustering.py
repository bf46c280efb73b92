"""Web-scale k-means: many centres follow a stream of mini-batches, then Lloyd's algorithm reduces them to k (DG:algo-kmeans-tech-notes)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.matrix import Doubles, Floats, Integers

_BLOCK = 1 << 22
"""Distances held at a time."""


def squared_distances(rows: Floats | Doubles, centres: Floats | Doubles) -> Doubles:
    """From each row to each centre; never negative. In float64: differences of large products are small."""
    left, right = np.asarray(rows, np.float64), np.asarray(centres, np.float64)
    found: Doubles = left @ (-2.0 * right.T)
    found += np.einsum("ij,ij->i", left, left)[:, None]
    found += np.einsum("ij,ij->i", right, right)
    return np.maximum(found, 0.0, out=found)


def nearest(rows: Floats | Doubles, centres: Floats | Doubles) -> tuple[Integers, Doubles]:
    """The nearest centre of each row, and the squared distance to it."""
    labels, distances = np.empty(len(rows), np.int64), np.empty(len(rows))
    step = max(1, _BLOCK // len(centres))
    for start in range(0, len(rows), step):
        found = squared_distances(rows[start : start + step], centres)
        best = found.argmin(axis=1)
        labels[start : start + step] = best
        distances[start : start + step] = found[np.arange(len(best)), best]
    return labels, distances


def spread(rows: Doubles, weights: Doubles, count: int, random: np.random.Generator) -> Doubles:
    """k-means++: each further centre is a row, likely far from the ones before; the best of a few candidates is taken."""
    trials = 2 + int(np.log(count))
    first = int(random.choice(len(rows), p=weights / weights.sum()))
    chosen, distances = [first], squared_distances(rows, rows[first : first + 1])[:, 0]
    for _ in range(1, count):
        cumulative = np.cumsum(distances * weights)
        draws = random.random(trials) * cumulative[-1]
        candidates = np.minimum(np.searchsorted(cumulative, draws), len(rows) - 1)
        closer = np.minimum(squared_distances(rows, rows[candidates]), distances[:, None])
        best = int((weights @ closer).argmin())
        chosen.append(int(candidates[best]))
        distances = closer[:, best]
    return rows[chosen]


def start(rows: Doubles, weights: Doubles, count: int, method: str, random: np.random.Generator) -> Doubles:
    """``method`` is random or kmeans++."""
    if method == "kmeans++":
        return spread(rows, weights, count, random)
    return rows[random.choice(len(rows), count, replace=False)]


@dataclass(slots=True)
class Stream:
    """The state of the streaming phase: centres, and how many points (decayed) each stands for."""

    centres: Doubles
    weights: Doubles
    half_life: int

    @classmethod
    def started(cls, centres: Doubles, half_life: int) -> Stream:
        """``half_life``: points after which an old one weighs half, 0 for never."""
        return cls(centres.copy(), np.zeros(len(centres)), half_life)

    def agree(self, cluster: Cluster) -> None:
        """Hosts that followed their own shares go on from the same centres; the weights become their mean."""
        if cluster.size > 1:
            self.centres, total = _weighted(self.centres, self.weights, cluster)
            self.weights = total / cluster.size

    def update(self, batch: Floats) -> float:
        """Moves the centres towards the batch; the batch's sum of squared distances before."""
        labels, distances = nearest(batch, self.centres)
        if self.half_life:
            self.weights *= 0.5 ** (len(batch) / self.half_life)
        counts = np.bincount(labels, minlength=len(self.centres)).astype(np.float64)
        sums = summed(batch, labels, counts)
        total = self.weights + counts
        hit = counts > 0
        self.centres[hit] += (sums[hit] - counts[hit, None] * self.centres[hit]) / total[hit, None]
        self.weights = total
        return float(distances.sum())


def _weighted(centres: Doubles, weights: Doubles, cluster: Cluster) -> tuple[Doubles, Doubles]:
    """The mean of each centre over the hosts, by what it stands for on each."""
    total = cluster.sum(weights)
    moved = cluster.sum(centres * weights[:, None]) / np.maximum(total, 1e-300)[:, None]
    return np.where(total[:, None] > 0, moved, centres), total


def summed(rows: Floats | Doubles, labels: Integers, counts: Doubles) -> Doubles:
    """The sum of the rows of each label; ``counts`` says how many rows each has."""
    sums = np.zeros((len(counts), rows.shape[1]))
    present = np.flatnonzero(counts)
    if len(present):
        order = np.argsort(labels, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts[present]).astype(np.int64)[:-1]])
        sums[present] = np.add.reduceat(rows[order], starts, axis=0, dtype=np.float64)
    return sums


@dataclass(frozen=True, slots=True)
class Lloyd:
    """The final phase: ``trials`` starts on weighted points, the best result wins."""

    method: str
    iterations: int
    tolerance: float
    trials: int

    def reduce(self, points: Doubles, weights: Doubles, count: int, random: np.random.Generator) -> Doubles:
        """``count`` centres. Not more than there are points."""
        found = [self._run(points, weights, start(points, weights, count, self.method, random)) for _ in range(self.trials)]
        return min(found, key=lambda result: result[1])[0]

    def _run(self, points: Doubles, weights: Doubles, centres: Doubles) -> tuple[Doubles, float]:
        centres, before = centres.copy(), np.inf
        for _ in range(self.iterations):
            labels, distances = nearest(points, centres)
            cost = float(weights @ distances)
            if before - cost <= self.tolerance * cost:
                break
            before = cost
            masses = np.bincount(labels, weights, len(centres))
            counts = np.bincount(labels, minlength=len(centres)).astype(np.float64)
            sums = summed(points * weights[:, None], labels, counts)
            kept = masses > 0
            centres[kept] = sums[kept] / masses[kept, None]
        _, distances = nearest(points, centres)
        return centres, float(weights @ distances)
