"""Nearest-neighbour search as faiss's Flat, IVFFlat and IVFPQ indexes do it, on NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.matrix import Doubles, Floats, Integers
from sagewright_algorithms.kmeans.clustering import squared_distances
from sagewright_algorithms.knn.centres import centres as trained
from sagewright_algorithms.knn.centres import owners

Metric = Literal["L2", "INNER_PRODUCT"]
Codes = npt.NDArray[np.uint8]
CODEWORDS = 256
_BLOCK = 1 << 22
"""Distances held at a time."""
_LISTS, _WORDS = 10, 25
"""Iterations, as many as faiss makes: rough lists are searched as well as fine ones, codewords are the values themselves."""


class Index(Protocol):
    """Rows that can be searched."""

    @property
    def width(self) -> int:
        """Columns of a row."""

    @property
    def size(self) -> int:
        """Rows."""

    @property
    def metric(self) -> Metric:
        """L2: squared Euclidean distances, ascending; INNER_PRODUCT: products, descending."""

    def search(self, queries: Floats, count: int) -> tuple[Doubles, Integers]:
        """(distance, row number) of the ``count`` nearest rows of each query, the nearest first; a lack is (inf, -1)."""


class Flat:
    """Exact: in float64, of which it keeps a copy of the rows."""

    def __init__(self, rows: Floats, metric: Metric = "L2") -> None:
        self.rows = rows
        self.metric: Metric = metric
        self._doubled = -2.0 * rows.T.astype(np.float64) if metric == "L2" else -rows.T.astype(np.float64)
        self._norms = np.einsum("ij,ij->j", self._doubled, self._doubled) / 4

    @property
    def width(self) -> int:
        return int(self.rows.shape[1])

    @property
    def size(self) -> int:
        return len(self.rows)

    def search(self, queries: Floats, count: int) -> tuple[Doubles, Integers]:
        step = max(1, _BLOCK // max(1, len(self.rows)))
        best = _Best(len(queries), count)
        ids = np.arange(len(self.rows))
        for start in range(0, len(queries), step):
            part = np.arange(start, min(start + step, len(queries)))
            best.offer(part, self._costs(queries[part].astype(np.float64)), ids)
        return best.found(self.metric)

    def _costs(self, queries: Doubles) -> Doubles:
        """Smaller is nearer."""
        costs = queries @ self._doubled
        if self.metric == "L2":
            costs += self._norms
            costs += np.einsum("ij,ij->i", queries, queries)[:, None]
            np.maximum(costs, 0, out=costs)
        return costs


@dataclass(frozen=True, slots=True)
class Lists:
    """Inverted lists: rows by their nearest centre, of which a query visits the nearest ``probes``.

    With a ``quantizer`` only codes of the rows' residuals are kept (IVFPQ), else the rows themselves (IVFFlat).
    """

    centres: Floats
    ids: tuple[Integers, ...]
    content: tuple[Floats, ...] | tuple[Codes, ...]
    quantizer: Quantizer | None
    probes: int
    metric: Metric = "L2"

    @property
    def width(self) -> int:
        return int(self.centres.shape[1])

    @property
    def size(self) -> int:
        return sum(map(len, self.ids))

    def search(self, queries: Floats, count: int) -> tuple[Doubles, Integers]:
        probes = min(self.probes, len(self.centres))
        visited = np.argpartition(_costs(queries, self.centres, self.metric), probes - 1, axis=1)[:, :probes]
        best = _Best(len(queries), count)
        for number, ids in enumerate(self.ids):
            part = np.flatnonzero((visited == number).any(axis=1))
            if len(part) and len(ids):
                best.offer(part, _costs(queries[part], self._rows(number), self.metric), ids)
        return best.found(self.metric)

    def _rows(self, number: int) -> Floats:
        content = self.content[number]
        if self.quantizer is None:
            return content.astype(np.float32, copy=False)
        return np.asarray(self.quantizer.decode(content.astype(np.uint8, copy=False)) + self.centres[number], np.float32)


@dataclass(frozen=True, slots=True)
class Quantizer:
    """Product quantizer: ``words`` [parts, 256, width of a part]; a row is one code per part."""

    words: Floats

    def encode(self, rows: Floats) -> Codes:
        """The nearest word of each part."""
        parts, _, width = self.words.shape
        split = rows.reshape(len(rows), parts, width)
        found = [squared_distances(split[:, part], self.words[part]).argmin(axis=1) for part in range(parts)]
        return np.stack(found, axis=1).astype(np.uint8)

    def decode(self, codes: Codes) -> Floats:
        """The rows that the codes stand for."""
        parts = np.arange(self.words.shape[0])
        return np.asarray(self.words[parts, codes].reshape(len(codes), -1), np.float32)


def lists(rows: Floats, metric: Metric, number: int, probes: int, parts: int | None, random: np.random.Generator) -> Lists:
    """Trains and fills inverted lists; ``parts`` of a row are quantized (IVFPQ), None: none (IVFFlat)."""
    centres = trained(rows, number, _LISTS, random)
    owner = owners(rows, centres) if metric == "L2" else _costs(rows, centres, metric).argmin(axis=1)
    ids = tuple(np.flatnonzero(owner == number) for number in range(len(centres)))
    if parts is None:
        return Lists(centres, ids, tuple(rows[item] for item in ids), None, probes, metric)
    residuals = rows - centres[owner]
    split = residuals.reshape(len(rows), parts, -1)
    quantizer = Quantizer(np.stack([trained(split[:, part], CODEWORDS, _WORDS, random) for part in range(parts)]))
    codes = quantizer.encode(residuals)
    return Lists(centres, ids, tuple(codes[item] for item in ids), quantizer, probes, metric)


def _costs(queries: Floats, rows: Floats, metric: Metric) -> Doubles:
    """Smaller is nearer."""
    if metric == "L2":
        return squared_distances(queries, rows)
    return np.asarray(-(queries.astype(np.float64) @ rows.T.astype(np.float64)))


class _Best:
    """The best rows of each query so far; of equally near ones that with the lower number, so that results are definite."""

    def __init__(self, queries: int, count: int) -> None:
        self._costs = np.full((queries, count), np.inf)
        self._ids = np.full((queries, count), -1, np.int64)

    def offer(self, part: Integers, costs: Doubles, ids: Integers) -> None:
        """``costs`` of the queries ``part`` (rows) to the rows ``ids`` (columns)."""
        count = self._costs.shape[1]
        if costs.shape[1] > 4 * count:
            chosen = np.argpartition(costs, count, axis=1)[:, :count]
            costs, offered = np.take_along_axis(costs, chosen, 1), ids[chosen]
        else:
            offered = np.broadcast_to(ids, costs.shape)
        costs = np.concatenate([self._costs[part], costs], axis=1)
        offered = np.concatenate([self._ids[part], offered], axis=1)
        order = np.lexsort((offered, costs), axis=1)[:, :count]
        self._costs[part] = np.take_along_axis(costs, order, 1)
        self._ids[part] = np.take_along_axis(offered, order, 1)

    def found(self, metric: Metric) -> tuple[Doubles, Integers]:
        return (self._costs if metric == "L2" else -self._costs), self._ids
