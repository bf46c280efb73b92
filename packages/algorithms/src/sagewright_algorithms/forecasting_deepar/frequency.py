"""Time steps: how a granularity such as ``5min`` counts time, which features a time has, and which lags a model looks at.

Times are whole numbers of the unit since 1970: minutes, hours, days, days (W), months.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from sagewright_algorithms.common.matrix import Floats, Integers

PATTERN = "^([1-9][0-9]*)?(M|W|D|H|min)$"
_THURSDAY = 3  # the first day of 1970; Monday is 0
_RECENT = 7
_NEIGHBOURS = (-1, 0, 1)

# Seasons of a unit, as units and how many of them a model looks back: DG:deepar_how-it-works and deepar_hyperparameters name
# "approximately one, two and three days" for hours, and weeks 1 to 4 and the year for days.
_SEASONS: dict[str, tuple[tuple[int, int], ...]] = {
    "min": ((60, 3), (24 * 60, 7), (7 * 24 * 60, 4)),
    "H": ((24, 7), (7 * 24, 4)),
    "D": ((7, 4), (30, 1), (365, 1)),
    "W": ((4, 3), (52, 3)),
    "M": ((12, 3),),
}


@dataclass(frozen=True, slots=True)
class Frequency:
    """``multiple`` units to a step."""

    multiple: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Frequency:
        """Raises ValueError when the text does not match PATTERN."""
        found = re.fullmatch(PATTERN, text)
        if found is None:
            raise ValueError(f"{text!r} does not match {PATTERN!r}")
        return cls(int(found[1] or 1), found[2])

    @property
    def step(self) -> int:
        """In time."""
        return self.multiple * (7 if self.unit == "W" else 1)

    @property
    def features(self) -> int:
        """How many a time has."""
        return len(_FEATURES[self.unit])

    def time(self, moment: datetime) -> int:
        """Of a moment, rounded down to the unit."""
        if self.unit == "M":
            return (moment.year - 1970) * 12 + moment.month - 1
        minutes = int(np.datetime64(moment, "m").astype(np.int64))
        return minutes // {"min": 1, "H": 60, "D": 24 * 60, "W": 24 * 60}[self.unit]

    def describe(self, times: Integers) -> Floats:
        """The features that DG:deepar_how-it-works lists, each from -0.5 to 0.5: [...] to [..., features]."""
        days = times // {"min": 24 * 60, "H": 24}.get(self.unit, 1)
        columns = [feature(times, days) / np.float32(last) - np.float32(0.5) for feature, last in _FEATURES[self.unit]]
        return np.stack(columns, axis=-1, dtype=np.float32, casting="same_kind")

    def lags(self, longest: int) -> list[int]:
        """The last steps, and those around each season ago, as far as ``longest``."""
        seasons = [
            round(length * back / self.multiple) for length, cycles in _SEASONS[self.unit] for back in range(1, cycles + 1)
        ]
        around = {season + offset for season in seasons for offset in _NEIGHBOURS if season > 1}
        return sorted(lag for lag in around | set(range(1, _RECENT + 1)) if 1 <= lag <= max(longest, 1))


def _weekday(days: Integers) -> Integers:
    return (days + _THURSDAY) % 7


def _day_of(days: Integers, unit: str) -> Integers:
    """From 0, in the month ("M") or the year ("Y")."""
    dates = days.astype("datetime64[D]")
    return np.asarray((dates - dates.astype(f"datetime64[{unit}]")).astype(np.int64))


def _week_of_year(days: Integers) -> Integers:
    """From 0, as ISO 8601 counts them: a week belongs to the year of its Thursday."""
    return _day_of(days - _weekday(days) + _THURSDAY, "Y") // 7


# (times, days) -> a number from 0 to the one beside it.
_Feature = Callable[[Integers, Integers], Integers]
_DAY_OF_WEEK: tuple[_Feature, int] = lambda times, days: _weekday(days), 6
_DAY_OF_MONTH: tuple[_Feature, int] = lambda times, days: _day_of(days, "M"), 30
_DAY_OF_YEAR: tuple[_Feature, int] = lambda times, days: _day_of(days, "Y"), 365
_FEATURES: dict[str, tuple[tuple[_Feature, int], ...]] = {
    "min": (
        (lambda times, days: times % 60, 59),
        (lambda times, days: times // 60 % 24, 23),
        _DAY_OF_WEEK,
        _DAY_OF_MONTH,
        _DAY_OF_YEAR,
    ),
    "H": ((lambda times, days: times % 24, 23), _DAY_OF_WEEK, _DAY_OF_MONTH, _DAY_OF_YEAR),
    "D": (_DAY_OF_WEEK, _DAY_OF_MONTH, _DAY_OF_YEAR),
    "W": (_DAY_OF_MONTH, (lambda times, days: _week_of_year(days), 52)),
    "M": ((lambda times, days: times % 12, 11),),
}
