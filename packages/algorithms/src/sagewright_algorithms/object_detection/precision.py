"""Mean average precision as the PASCAL VOC challenge of 2007 defines it: eleven points of recall."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sagewright_algorithms.common.cluster import Cluster

Floats = npt.NDArray[np.float32]
_RECALLS = np.linspace(0, 1, 11)


class MeanAveragePrecision:
    """Gathers images; a detection is a hit when it is the surest of those that cover an object by ``overlap`` or more."""

    def __init__(self, overlap: float) -> None:
        self._overlap = overlap
        self._objects: dict[int, int] = {}
        self._scores: dict[int, list[Floats]] = {}
        self._hits: dict[int, list[npt.NDArray[np.bool_]]] = {}

    def add(self, found: Floats, labels: Floats) -> None:
        """One image: ``found`` rows of class, score and corners, surest first; ``labels`` rows of class and corners."""
        for name in np.unique(np.concatenate([found[:, 0], labels[:, 0]])).astype(int).tolist():
            boxes, rows = labels[labels[:, 0] == name, 1:], found[found[:, 0] == name]
            self._objects[name] = self._objects.get(name, 0) + len(boxes)
            self._scores.setdefault(name, []).append(rows[:, 1])
            self._hits.setdefault(name, []).append(self._hit(rows[:, 2:], boxes))

    def gather(self, cluster: Cluster) -> None:
        """What all hosts have added."""
        if cluster.size == 1:
            return
        classes = cluster.most(1 + max(self._objects, default=-1))
        objects = cluster.sum(np.array([self._objects.get(name, 0) for name in range(classes)], np.float64))
        empty = np.zeros((0, 3))
        own = [
            np.column_stack([np.full(len(scores), name), scores, hits])
            for name in self._objects
            for scores, hits in zip(self._scores[name], self._hits[name], strict=True)
        ]
        rows = cluster.rows(np.concatenate([empty, *own]))
        self._objects = {name: round(count) for name, count in enumerate(objects)}
        for name in range(classes):
            here = rows[rows[:, 0] == name]
            self._scores[name], self._hits[name] = [here[:, 1].astype(np.float32)], [here[:, 2] > 0]

    def value(self) -> float:
        """Over all classes that have an object; 0 when there are none."""
        each = [self._average(name) for name, count in self._objects.items() if count]
        return float(np.mean(each)) if each else 0.0

    def _hit(self, found: Floats, boxes: Floats) -> npt.NDArray[np.bool_]:
        hits = np.zeros(len(found), bool)
        if not len(boxes) or not len(found):
            return hits
        overlap = _overlaps(found, boxes)
        nearest = overlap.argmax(axis=1)
        close = np.flatnonzero(overlap.max(axis=1) >= self._overlap)
        _, first = np.unique(nearest[close], return_index=True)
        hits[close[first]] = True
        return hits

    def _average(self, name: int) -> float:
        scores, hits = np.concatenate(self._scores[name]), np.concatenate(self._hits[name])
        good = np.cumsum(hits[np.argsort(-scores, kind="stable")])
        recall, precision = good / self._objects[name], good / np.arange(1, len(good) + 1)
        return float(np.mean([precision[recall >= point].max(initial=0.0) for point in _RECALLS]))


def _overlaps(left: Floats, right: Floats) -> Floats:
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) for boxes in (left, right)]
    overlap: Floats = common / np.maximum(areas[0][:, None] + areas[1][None, :] - common, 1e-12)
    return overlap
