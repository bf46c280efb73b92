"""A robust random cut forest: all trees grow together, level by level, and all points are scored together.

Cuts and scores follow the published library (aws/random-cut-forest-by-aws): a cut falls on a dimension with a probability
proportional to the range of the points, and a point scores by how early a random cut would part it from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.matrix import Doubles, Floats, Integers

_LEAF = -1
_BLOCK = 1 << 19
"""Pairs of a point and a tree that are scored at a time, times features."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Nodes of all trees, numbered from 0; the first ``trees`` are the roots. A leaf has the dimension -1.

    A node knows the bounding box of its points (``low``, ``high``) and how many they are (``mass``).
    """

    trees: int
    sample: int
    dimension: npt.NDArray[np.int32]
    cut: Floats
    left: npt.NDArray[np.int32]
    mass: npt.NDArray[np.int32]
    low: Floats
    high: Floats

    def arrays(self) -> dict[str, npt.NDArray[np.float32] | npt.NDArray[np.int32]]:
        """For the model file."""
        return {
            "sizes": np.array([self.trees, self.sample], np.int32),
            "dimension": self.dimension,
            "cut": self.cut,
            "left": self.left,
            "mass": self.mass,
            "low": self.low,
            "high": self.high,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[np.float32] | npt.NDArray[np.int32]]) -> Forest:
        """Raises KeyError, ValueError when they are not a forest's."""
        trees, sample = (int(size) for size in arrays["sizes"])
        nodes, width = arrays["low"].shape
        columns = {name: arrays[name].astype(np.int32) for name in ("dimension", "left", "mass")}
        low, high, cut = (arrays[name].astype(np.float32) for name in ("low", "high", "cut"))
        inner = columns["dimension"] != _LEAF
        children = columns["left"][inner]
        sound = (
            all(len(values) == nodes for values in (*columns.values(), cut))
            and high.shape == low.shape
            and 0 < trees <= nodes
            and bool((columns["dimension"] < width).all() and (columns["dimension"] >= _LEAF).all())
            and bool((children > np.flatnonzero(inner)).all() and (children < nodes - 1).all())
        )
        if not sound:
            raise ValueError("the arrays of the forest do not fit together")
        return cls(trees, sample, columns["dimension"], cut, columns["left"], columns["mass"], low, high)

    @property
    def feature_dim(self) -> int:
        """Columns of a row."""
        return int(self.low.shape[1])

    def scores(self, rows: Floats) -> Doubles:
        """About 1 or less for usual points, more for unusual ones; the mean over the trees."""
        step = max(1, _BLOCK // (self.trees * self.feature_dim))
        parts = [self._scores(rows[start : start + step]) for start in range(0, len(rows), step)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _scores(self, rows: Floats) -> Doubles:
        """Every point walks down every tree; ``reached`` is the chance that no cut has parted it so far."""
        node = np.tile(np.arange(self.trees), len(rows))
        point = np.repeat(np.arange(len(rows)), self.trees)
        reached, total, depth = np.ones(len(node)), np.zeros(len(rows)), 0
        while len(node):
            parted = _parting(rows[point], self.low[node], self.high[node])
            gained = reached * parted / (depth + 1)
            reached = reached * (1 - parted)
            at_leaf = self.dimension[node] == _LEAF
            gained[at_leaf] += reached[at_leaf] * self._seen(node[at_leaf], depth)
            total += np.bincount(point, gained, len(rows))
            going = ~at_leaf & (reached > 0)
            node, point, reached = node[going], point[going], reached[going]
            right = rows[point, self.dimension[node]] > self.cut[node]
            node, depth = self.left[node] + right, depth + 1
        return np.asarray(total / self.trees * np.log2(self.sample + 1))

    def _seen(self, node: Integers, depth: int) -> Doubles:
        """The score of a point that equals those of a leaf: many equal points are nothing unusual."""
        mass = self.mass[node].astype(np.float64)
        return np.asarray((1 - mass / (2 * self.sample)) / (depth + np.log2(mass + 1)))


def _parting(rows: Floats, low: Floats, high: Floats) -> Doubles:
    """The probability that the next cut of a box, widened to hold the point, lies between the point and the box."""
    outside = (np.maximum(low - rows, 0) + np.maximum(rows - high, 0)).sum(axis=1, dtype=np.float64)
    inside = (high - low).sum(axis=1, dtype=np.float64)
    whole = outside + inside
    return np.asarray(np.divide(outside, whole, out=np.zeros_like(whole), where=whole > 0))


def grow(rows: Floats, trees: int, sample: int, random: np.random.Generator) -> Forest:
    """``sample`` rows for each tree: shares of the data where there are enough rows, else drawn for each tree."""
    points = rows[_sampled(len(rows), trees, sample, random)]
    return _Growth(points, trees, sample, random).forest()


def _sampled(rows: int, trees: int, sample: int, random: np.random.Generator) -> Integers:
    if rows >= trees * sample:
        return random.permutation(rows)[: trees * sample]
    return np.concatenate([random.permutation(rows)[:sample] for _ in range(trees)])


class _Growth:
    """The points of one level lie together node by node; ``starts`` says where each node's begin."""

    def __init__(self, points: Floats, trees: int, sample: int, random: np.random.Generator) -> None:
        self._points = points
        self._starts = np.arange(trees) * sample
        self._trees = trees
        self._sample = sample
        self._random = random
        self._nodes = 0
        self._levels: list[tuple[npt.NDArray[np.generic], ...]] = []

    def forest(self) -> Forest:
        while len(self._starts):
            self._grow_level()
        columns = [np.concatenate(column) for column in zip(*self._levels, strict=True)]
        dimension, cut, left, mass, low, high = columns
        return Forest(
            self._trees,
            self._sample,
            dimension.astype(np.int32),
            cut.astype(np.float32),
            left.astype(np.int32),
            mass.astype(np.int32),
            low.astype(np.float32),
            high.astype(np.float32),
        )

    def _grow_level(self) -> None:
        points, starts = self._points, self._starts
        mass = np.diff(np.append(starts, len(points)))
        low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
        dimension, cut = self._cuts(low, high)
        inner = dimension != _LEAF
        self._nodes += len(starts)
        left = np.zeros(len(starts), np.int64)
        left[inner] = self._nodes + 2 * np.arange(inner.sum())
        self._levels.append((dimension, cut, left, mass, low, high))
        self._split(np.repeat(np.arange(len(starts)), mass), dimension, cut)

    def _cuts(self, low: Floats, high: Floats) -> tuple[Integers, Floats]:
        """A random cut for each node; the dimension -1 where all points are equal."""
        ranges = (high.astype(np.float64) - low).cumsum(axis=1)
        draw = self._random.random(len(low)) * ranges[:, -1]
        dimension = np.minimum((ranges <= draw[:, None]).sum(axis=1), low.shape[1] - 1)
        at = np.arange(len(low))
        lowest, highest = low[at, dimension], high[at, dimension]
        cut = lowest + self._random.random(len(low)).astype(np.float32) * (highest - lowest)
        cut = np.where(cut >= highest, np.nextafter(highest, lowest), cut)  # rounding must leave a point on the right
        return np.where(highest > lowest, dimension, _LEAF), np.maximum(cut, lowest)

    def _split(self, node: Integers, dimension: Integers, cut: Floats) -> None:
        """Brings the points of the inner nodes into the order of their children."""
        going = dimension[node] != _LEAF
        points, node = self._points[going], node[going]
        if not len(points):
            self._points, self._starts = points, np.zeros(0, np.int64)
            return
        right = points[np.arange(len(points)), dimension[node]] > cut[node]
        child = node * 2 + right
        order = np.argsort(child, kind="stable")
        self._points = points[order]
        self._starts = np.flatnonzero(np.diff(child[order], prepend=-1))
