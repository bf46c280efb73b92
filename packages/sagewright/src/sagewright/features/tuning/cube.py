"""The unit cube in which the Gaussian process looks: one coordinate for each number, on its scale, and one for each value of a category."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Cube:
    """Between coordinates on their scales and points of the unit cube. ``ranges`` as in a question (bayesian.py)."""

    def __init__(self, ranges: Sequence[dict[str, Any]]) -> None:
        self._ranges = ranges

    def points(self, coordinates: Sequence[Sequence[Any]]) -> Array:
        """One row for each combination."""
        columns = [
            column
            for place, item in enumerate(self._ranges)
            for column in self._columns(item, [row[place] for row in coordinates])
        ]
        return np.array(columns, dtype=float).T.reshape(len(coordinates), len(columns))

    def coordinates(self, point: Array) -> list[Any]:
        """Of one row that ``rounded`` has seen."""
        found: list[Any] = []
        at = 0
        for item in self._ranges:
            if item["kind"] == "categorical":
                width = len(item["choices"])
                found.append(item["choices"][int(np.argmax(point[at : at + width]))])
            else:
                width = 1
                value = _from_unit(item, float(point[at]))
                found.append(round(value) if item["kind"] == "integer" else value)
            at += width
        return found

    def random(self, count: int, random: np.random.Generator) -> Array:
        """Points all over the space."""
        return self.rounded(random.random((count, sum(self._width(item) for item in self._ranges))))

    def around(self, point: Array, width: float, count: int, random: np.random.Generator) -> Array:
        """Points near one: some of its coordinates moved, categories by chance to another."""
        moved = random.random((count, len(point))) < max(0.3, 1.0 / len(point))
        steps = random.normal(0.0, width, (count, len(point)))
        wild = random.random((count, len(point)))
        at = 0
        for item in self._ranges:
            size = self._width(item)
            if item["kind"] == "categorical":  # the whole category at once, and rarely
                other = random.random(count) < 0.2
                steps[:, at : at + size] = np.where(other[:, None], wild[:, at : at + size] - point[at : at + size], 0.0)
                moved[:, at : at + size] = True
            at += size
        return self.rounded(np.clip(point + np.where(moved, steps, 0.0), 0.0, 1.0))

    def rounded(self, points: Array) -> Array:
        """The nearest points that stand for values."""
        made = points.copy()
        at = 0
        for item in self._ranges:
            size = self._width(item)
            if item["kind"] == "categorical":
                chosen = np.argmax(points[:, at : at + size], axis=1)
                made[:, at : at + size] = np.eye(size)[chosen]
            elif item["kind"] == "integer":
                values = [round(_from_unit(item, float(share))) for share in points[:, at]]
                made[:, at] = [_to_unit(item, value) for value in values]
            at += size
        return made

    def _columns(self, item: dict[str, Any], values: Sequence[Any]) -> list[list[float]]:
        if item["kind"] == "categorical":
            return [[float(value == choice) for value in values] for choice in item["choices"]]
        return [[_to_unit(item, value) for value in values]]

    def _width(self, item: dict[str, Any]) -> int:
        return len(item["choices"]) if item["kind"] == "categorical" else 1


def _to_unit(item: dict[str, Any], value: float) -> float:
    low, high = _ends(item)
    place = math.log(value) if item["log"] else value
    return (place - low) / (high - low)


def _from_unit(item: dict[str, Any], share: float) -> float:
    low, high = _ends(item)
    place = low + share * (high - low)
    value = math.exp(place) if item["log"] else place
    return min(max(value, float(item["low"])), float(item["high"]))


def _ends(item: dict[str, Any]) -> tuple[float, float]:
    if item["log"]:
        return math.log(item["low"]), math.log(item["high"])
    return item["low"], item["high"]
