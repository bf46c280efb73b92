"""Ranges of hyperparameters: what may be tried, on which scale, and how a value is written (DG automatic-model-tuning-define-ranges).

Values travel as strings. In between every number has a coordinate on its scale: the number itself for Linear and Logarithmic,
``1 - x`` for ReverseLogarithmic, so that a sampler has to know two scales only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

Kind = Literal["integer", "continuous", "categorical"]

AUTO_SPAN = 100.0
"""Auto takes the logarithmic scale for a positive range whose ends are this factor apart: AWS only says that it chooses the best."""
MEMBERS: Mapping[str, Kind] = {
    "IntegerParameterRanges": "integer",
    "ContinuousParameterRanges": "continuous",
    "CategoricalParameterRanges": "categorical",
}


@dataclass(frozen=True, slots=True)
class Range:
    """One hyperparameter. ``low`` and ``high`` are coordinates; ``log``: even steps are factors; ``reverse``: of the distance to 1."""

    name: str
    kind: Kind
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    reverse: bool = False
    choices: tuple[str, ...] = ()

    @classmethod
    def of(cls, kind: Kind, document: Mapping[str, Any]) -> Range:
        """From a member of ParameterRanges that rules.py has let pass."""
        if kind == "categorical":
            return cls(document["Name"], kind, choices=tuple(document["Values"]))
        low, high = float(document["MinValue"]), float(document["MaxValue"])
        scaling = document.get("ScalingType", "Auto")
        if scaling == "ReverseLogarithmic":
            return cls(document["Name"], kind, 1 - high, 1 - low, True, True)
        log = scaling == "Logarithmic" or (scaling == "Auto" and low > 0 and high / low >= AUTO_SPAN)
        return cls(document["Name"], kind, low, high, log)

    @property
    def size(self) -> float:
        """How many different values there are."""
        if self.kind == "categorical":
            return len(self.choices)
        return self.high - self.low + 1 if self.kind == "integer" else math.inf

    def at(self, share: float) -> str:
        """The value at a place between 0 and 1 of its scale."""
        if self.kind == "categorical":
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        low, high = (self.low - 0.5, self.high + 0.5) if self.kind == "integer" else (self.low, self.high)
        if self.log:
            low = max(low, 0.5) if self.kind == "integer" else low
            return self.write(math.exp(math.log(low) + share * (math.log(high) - math.log(low))))
        return self.write(low + share * (high - low))

    def write(self, coordinate: float | str) -> str:
        """The hyperparameter's text for a sampler's coordinate."""
        if isinstance(coordinate, str):
            return coordinate
        inside = min(max(coordinate, self.low), self.high)
        if self.kind == "integer":
            return str(round(inside))
        return repr(1 - inside if self.reverse else inside)

    def read(self, text: str) -> float | str | None:
        """The coordinate of a hyperparameter's text; None when it lies outside the range or is no such value."""
        if self.kind == "categorical":
            return text if text in self.choices else None
        try:
            number = float(text)
        except ValueError:
            return None
        coordinate = 1 - number if self.reverse else number
        slack = 1e-9 * max(1.0, abs(self.low), abs(self.high))
        if not self.low - slack <= coordinate <= self.high + slack:  # also what is not a number at all
            return None
        return min(max(coordinate, self.low), self.high)


@dataclass(frozen=True, slots=True)
class Space:
    """The ranges of one definition, in the order of their names: the order must not depend on how a request was written."""

    ranges: tuple[Range, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Space:
        """From ParameterRanges."""
        found = [Range.of(kind, item) for member, kind in MEMBERS.items() for item in document.get(member) or ()]
        return cls(tuple(sorted(found, key=lambda item: item.name)))

    @property
    def size(self) -> float:
        """How many different combinations there are."""
        return math.prod(item.size for item in self.ranges)

    def at(self, shares: tuple[float, ...]) -> dict[str, str]:
        """The combination at a place of the unit cube."""
        return {item.name: item.at(share) for item, share in zip(self.ranges, shares, strict=True)}

    def draw(self, random: Random) -> dict[str, str]:
        """A combination by chance."""
        return self.at(tuple(random.random() for _ in self.ranges))

    def combination(self, number: int) -> dict[str, str]:
        """Of a categorical space: the ``number``-th combination from 0 on, the last name counting fastest."""
        found: dict[str, str] = {}
        for item in reversed(self.ranges):
            number, place = divmod(number, len(item.choices))
            found[item.name] = item.choices[place]
        return dict(sorted(found.items()))

    def read(self, values: Mapping[str, str]) -> list[float | str] | None:
        """The coordinates of a combination; None when it is not of this space."""
        found = [item.read(values[item.name]) if item.name in values else None for item in self.ranges]
        return None if None in found else [place for place in found if place is not None]

    def write(self, coordinates: list[float | str]) -> dict[str, str]:
        """The combination at coordinates."""
        return {item.name: item.write(place) for item, place in zip(self.ranges, coordinates, strict=True)}


def named(document: Mapping[str, Any]) -> Iterator[str]:
    """The names in ParameterRanges, Autotune's among them; one that is there twice comes twice."""
    for member in (*MEMBERS, "AutoParameters"):
        for item in document.get(member) or ():
            yield item["Name"]
