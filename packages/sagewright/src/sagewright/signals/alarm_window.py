"""The datapoints that an alarm is judged by, and when it is judged next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sagewright.base.world import World
from sagewright.signals import metrics
from sagewright.signals.alarm_rule import Datapoint
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
    """The alarm's period in seconds."""
    return int(spec["Period"])


def datapoints(transaction: Transaction, world: World, spec: Mapping[str, Any], count: int, now: float) -> list[Datapoint]:
    """The last ``count`` complete periods, oldest first; None where there is no value."""
    period = period_of(spec)
    end = window_end(period, now)
    start = end - count * period
    buckets = metrics.statistics(
        transaction,
        world,
        spec["Namespace"],
        spec["MetricName"],
        {dimension["Name"]: dimension["Value"] for dimension in spec.get("Dimensions", ())},
        start=start,
        end=end,
        period=period,
        unit=spec.get("Unit"),
        apart=False,
    )
    name = spec.get("Statistic") or spec["ExtendedStatistic"]
    values = {bucket.timestamp: bucket.statistic(name) for bucket in buckets}
    moments = [start + index * period for index in range(count)]
    return [Datapoint(moment, values.get(moment)) for moment in moments]
