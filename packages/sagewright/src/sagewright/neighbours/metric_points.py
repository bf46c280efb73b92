"""From a MetricDatum of PutMetricData to points."""

from __future__ import annotations

import math

from sagewright.signals.metrics import Point
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

_TWO_WEEKS, _TWO_HOURS = 14 * 86_400, 2 * 3600
_LARGEST = 2.0**360
"""API reference, MetricDatum: values lie between -2^360 and 2^360; NaN and infinity are not supported."""


def points_of(datum: Document, now: float) -> list[Point]:
    """One point for ``Value`` or ``StatisticValues``, one for each of ``Values``; raises a Fault as CloudWatch does."""
    if sum(member in datum for member in ("Value", "StatisticValues", "Values")) != 1:
        raise Fault("InvalidParameterCombination", "Exactly one of Value, StatisticValues and Values must be specified.")
    when, unit = _checked_time(datum.get("Timestamp", now), now), datum.get("Unit", "None")
    if "StatisticValues" in datum:
        return [_statistic_set(datum["StatisticValues"], when, unit)]
    values = datum["Values"] if "Values" in datum else [datum["Value"]]
    counts = datum.get("Counts", [1.0] * len(values))
    if len(counts) != len(values):
        raise Fault("InvalidParameterValue", "The parameters Values and Counts must have the same length.")
    return [
        Point(when, _checked(count), _checked(value) * count, value, value, unit)
        for value, count in zip(values, counts, strict=True)
    ]


def _statistic_set(values: Document, when: float, unit: str) -> Point:
    count, total, low, high = (_checked(values[name]) for name in ("SampleCount", "Sum", "Minimum", "Maximum"))
    if low > high or count <= 0:
        raise Fault(
            "InvalidParameterValue", "StatisticValues needs a positive SampleCount and a Minimum not above its Maximum."
        )
    return Point(when, count, total, low, high, unit)


def _checked(value: float) -> float:
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise Fault("InvalidParameterValue", f"The value {value} is not supported.")
    return value


def _checked_time(when: float, now: float) -> float:
    if not now - _TWO_WEEKS <= when <= now + _TWO_HOURS:
        raise Fault(
            "InvalidParameterValue", "The timestamp must be within two weeks before and two hours after the present time."
        )
    return when
