"""One time series, as a record of a file or of a request has it (DG:deepar, "Input/Output Interface")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from sagewright_algorithms.common.matrix import Floats


class MalformedSeriesError(ValueError):
    """A record is not a time series."""


@dataclass(frozen=True, slots=True)
class Series:
    """``target`` has NaN where a value is missing; ``categories`` and ``features`` [features, steps] are None when not given."""

    start: datetime
    target: Floats
    categories: tuple[int, ...] | None = None
    features: Floats | None = None

    @classmethod
    def of_record(cls, record: Any) -> Series:
        """Raises MalformedSeriesError."""
        if not isinstance(record, Mapping):
            raise MalformedSeriesError("a time series is not an object with the fields start and target")
        for name in ("start", "target"):
            if record.get(name) is None:
                raise MalformedSeriesError(f"the field {name} is missing")
        return cls(_moment(record["start"]), _target(record["target"]), _categories(record.get("cat")), _features(record))

    def open_end(self, steps: int) -> Series:
        """With so many more steps that are not known."""
        return replace(self, target=np.append(self.target, np.full(steps, np.nan, np.float32)))

    def without_end(self, steps: int) -> Series:
        """With the last so many steps not known."""
        target = self.target.copy()
        target[len(target) - steps :] = np.nan
        return replace(self, target=target)


def _moment(value: Any) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value.strip())
    except (ValueError, AttributeError) as error:
        raise MalformedSeriesError(f"start is not of the form YYYY-MM-DD HH:MM:SS: {str(value)[:40]!r}") from error
    if moment.tzinfo is not None:
        raise MalformedSeriesError(f"start can't contain time zone information: {str(value)[:40]!r}")
    return moment


def _target(values: Any) -> Floats:
    """Missing values are null or the text NaN."""
    if not isinstance(values, list | np.ndarray):
        raise MalformedSeriesError("target is not an array of numbers")
    if isinstance(values, list) and not set(map(type, values)) <= {int, float}:
        values = [_number(value) for value in values]
    target = _array(values, "target")
    if target.ndim != 1 or np.isinf(target).any():
        raise MalformedSeriesError("target is not an array of finite numbers")
    return target


def _number(value: Any) -> float:
    if value is None or (isinstance(value, str) and value.lower() == "nan"):
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedSeriesError(f"target has a value that is neither a number nor null nor 'NaN': {str(value)[:40]!r}")
    return float(value)


def _categories(value: Any) -> tuple[int, ...] | None:
    """A list of numbers from 0; a lone one is a list of one, as the algorithm's first version had it."""
    if value is None:
        return None
    found = value.tolist() if isinstance(value, np.ndarray) else value
    found = found if isinstance(found, list) else [found]
    if any(isinstance(item, bool) or not isinstance(item, int) or item < 0 for item in found):
        raise MalformedSeriesError(f"cat is not an array of integers from 0: {str(value)[:40]}")
    return tuple(found) or None


def _features(record: Mapping[str, Any]) -> Floats | None:
    rows = record.get("dynamic_feat")
    if rows is None or (isinstance(rows, list) and not rows):
        return None
    if not isinstance(rows, list) or not all(isinstance(row, list | np.ndarray) for row in rows):
        raise MalformedSeriesError("dynamic_feat is not an array of arrays of numbers")
    if len({len(row) for row in rows}) > 1:
        raise MalformedSeriesError("the arrays of dynamic_feat differ in length")
    if any(isinstance(row, list) and not set(map(type, row)) <= {int, float} for row in rows):
        raise MalformedSeriesError("dynamic_feat has a value that is not a number: missing values are not supported in it")
    features = _array(rows, "dynamic_feat")
    if features.ndim != 2 or not np.isfinite(features).all():
        raise MalformedSeriesError(
            "dynamic_feat has a value that is not a finite number: missing values are not supported in it"
        )
    return features


def _array(values: Any, name: str) -> Floats:
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, which the callers refuse
            return np.asarray(values, np.float64).astype(np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise MalformedSeriesError(f"{name} is not an array of numbers: {error}") from error
