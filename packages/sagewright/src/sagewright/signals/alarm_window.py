"""The datapoints that an alarm is judged by, and when it is judged next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sagewright.base.world import World
from sagewright.signals import queries
from sagewright.signals.alarm_rule import Datapoint
from sagewright.signals.math_syntax import MathError
from sagewright.store.database import Transaction

LAG = 0.5
"""Seconds after the end of a period in which its last points may still come: the fronts tell once a second what they counted, with the time of telling."""


def step(period: int) -> int:
    """Seconds between two evaluations: a minute for standard periods, 10 seconds for 10, 20 and 30; here also a shorter period itself."""
    return 60 if period >= 60 else min(period, 10)


def window_end(period: int, now: float) -> float:
    """The end of the last window whose data is complete (epoch seconds)."""
    each = step(period)
    return math.floor((now - LAG) / each) * float(each)


def next_look(period: int, now: float) -> float:
    """When the next window's data will be complete (epoch seconds)."""
    return window_end(period, now) + step(period) + LAG


def period_of(spec: Mapping[str, Any]) -> int:
    """The alarm's period in seconds; of metric math that of its metrics."""
    return int(spec["Period"]) if "Period" in spec else queries.period_of(spec["Metrics"])


def returned(metrics_of: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of the queries whose data is returned: an alarm watches just one."""
    return [query["Id"] for query in metrics_of if query.get("ReturnData", True)]


def datapoints(transaction: Transaction, world: World, spec: Mapping[str, Any], count: int, now: float) -> list[Datapoint]:
    """The last ``count`` complete periods, oldest first; None where there is no value."""
    period = period_of(spec)
    end = window_end(period, now)
    start = end - count * period
    values = _values(transaction, world, spec, start, end, period)
    moments = [start + index * period for index in range(count)]
    return [Datapoint(moment, values.get(moment)) for moment in moments]


def _values(
    transaction: Transaction, world: World, spec: Mapping[str, Any], start: float, end: float, period: int
) -> Mapping[float, float]:
    if "Metrics" in spec:
        (wanted,) = returned(spec["Metrics"])
        try:
            return queries.series(transaction, world, spec["Metrics"], wanted, start, end, period)
        except MathError:
            return {}  # a number divided by nothing: no data, as on AWS
    asked = {
        "Metric": {member: spec[member] for member in ("Namespace", "MetricName", "Dimensions") if member in spec},
        "Stat": spec.get("Statistic") or spec["ExtendedStatistic"],
        **({"Unit": spec["Unit"]} if "Unit" in spec else {}),
    }
    return queries.read(transaction, world, asked, start, end, period)
