"""Metric points in CloudWatch's terms; append-only. A metric is a namespace, a name and the exact set of its dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from sagewright.base.world import World
from sagewright.store.database import Transaction
from sagewright.store.records import Series

KIND = "metrics"


@dataclass(frozen=True, slots=True)
class Point:
    """One statistic set: ``timestamp`` in epoch seconds, how many samples, their sum, smallest and largest."""

    timestamp: float
    count: float
    total: float
    minimum: float
    maximum: float
    unit: str = "None"


class Metric(NamedTuple):
    """A metric's name; ``last`` is the time of its newest point in epoch seconds."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    last: float


@dataclass(slots=True)
class Bucket:
    """The points of one period and unit; ``timestamp`` is the period's begin in epoch seconds."""

    timestamp: float
    unit: str
    count: float = 0.0
    total: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf
    _samples: list[tuple[float, float]] | None = field(default_factory=list)

    def add(self, point: Point) -> None:
        """Takes a point in."""
        self.count += point.count
        self.total += point.total
        self.minimum = min(self.minimum, point.minimum)
        self.maximum = max(self.maximum, point.maximum)
        if self._samples is not None and point.minimum == point.maximum:
            self._samples.append((point.minimum, point.count))
        else:
            self._samples = None

    def statistic(self, name: str) -> float | None:
        """Average, Sum, SampleCount, Minimum, Maximum or a percentile (p99, p99.9); None when it cannot be told.

        A percentile needs samples: of statistic sets only those whose minimum is their maximum count as such (CloudWatch, "Percentiles").
        Raises ValueError for another name.
        """
        if name in _STATISTICS:
            return _STATISTICS[name](self)
        return self._percentile(percentile_of(name))

    def _percentile(self, percent: float) -> float | None:
        """The smallest sample that at least this part of all samples does not exceed."""
        if not self._samples:
            return None
        needed, seen = self.count * percent / 100, 0.0
        for value, count in sorted(self._samples):
            seen += count
            if seen >= needed:
                return value
        return self.maximum


_STATISTICS: dict[str, Callable[[Bucket], float]] = {
    "Average": lambda bucket: bucket.total / bucket.count,
    "Sum": lambda bucket: bucket.total,
    "SampleCount": lambda bucket: bucket.count,
    "Minimum": lambda bucket: bucket.minimum,
    "Maximum": lambda bucket: bucket.maximum,
}


def refuse_unknown(statistic: str) -> None:
    """Raises ValueError for a statistic that Bucket.statistic does not know."""
    if statistic not in _STATISTICS:
        percentile_of(statistic)


def percentile_of(name: str) -> float:
    """The number of ``p50`` or ``p99.9``; raises ValueError for what is no percentile."""
    digits = name[1:]
    if not name.startswith("p") or not digits.replace(".", "", 1).isascii() or not digits.replace(".", "", 1).isdigit():
        raise ValueError(f"no statistic {name!r}")
    percent = float(digits)
    if percent > 100:
        raise ValueError(f"no percentile {name!r}")
    return percent


def put(
    transaction: Transaction, world: World, namespace: str, name: str, dimensions: Mapping[str, str], points: Iterable[Point]
) -> None:
    """Adds points to a metric; those without samples or with a number that is not finite are left out."""
    good = [point for point in points if point.count > 0 and all(map(math.isfinite, _numbers(point)))]
    if not good:
        return
    first = _milliseconds(good[0].timestamp)
    series = transaction.records.open(world, KIND, namespace, _series_name(name, dimensions), first)
    entries = ((_milliseconds(point.timestamp), orjson.dumps([*_numbers(point)[1:], point.unit])) for point in good)
    transaction.records.append(series, entries, _milliseconds(max(point.timestamp for point in good)))


def statistics(
    transaction: Transaction,
    world: World,
    namespace: str,
    name: str,
    dimensions: Mapping[str, str],
    *,
    start: float,
    end: float,
    period: int,
    unit: str | None = None,
    apart: bool = True,
) -> list[Bucket]:
    """Points with start <= timestamp < end (epoch seconds), summed up per ``period`` (seconds, counted from start), oldest first.

    Of one ``unit`` or of all; those are then kept ``apart`` or thrown together.
    """
    series = transaction.records.series(world, KIND, namespace, _series_name(name, dimensions))
    buckets: dict[tuple[float, str], Bucket] = {}
    for point in _points(transaction, series, start, end) if series is not None else ():
        if unit is not None and point.unit != unit:
            continue
        begin = start + math.floor((point.timestamp - start) / period) * period
        key = (begin, point.unit if apart else "")
        if key not in buckets:
            buckets[key] = Bucket(begin, point.unit)
        buckets[key].add(point)
    return [buckets[key] for key in sorted(buckets)]


def values(
    transaction: Transaction, world: World, namespace: str, name: str, dimensions: Mapping[str, str]
) -> tuple[float, ...]:
    """Every single value of a metric, oldest first, those of one moment in the order they came in; statistic sets are left out."""
    series = transaction.records.series(world, KIND, namespace, _series_name(name, dimensions))
    if series is None:
        return ()
    points = _points(transaction, series, 0.0, series.last_at / 1000 + 1)
    return tuple(point.total for point in points if point.count == 1)


def find(
    transaction: Transaction,
    world: World,
    *,
    namespace: str | None = None,
    name: str | None = None,
    dimensions: Sequence[tuple[str, str | None]] = (),
    since: float = 0.0,
    after: Sequence[str] | None = None,
    limit: int = 500,
) -> tuple[list[Metric], list[str] | None]:
    """Metrics by name: those that have the dimensions (a value of None fits any) and a point at or after ``since``.

    Returns one page and the place of the next one, for ``after``.
    """
    prefix = "" if name is None else f"{name}\n"
    place: Sequence[object] | None = None if after is None else (after[1], *after)
    found: list[Metric] = []
    while page := transaction.records.find(world, KIND, namespace, prefix=prefix, after=place, limit=limit):
        for series in page:
            metric = _metric(series)
            if metric.last >= since and _has(metric, dimensions):
                found.append(metric)
            if len(found) == limit:
                return found, [series.parent, series.name]
        place = (page[-1].name, page[-1].parent, page[-1].name)
    return found, None


def _points(transaction: Transaction, series: Series, start: float, end: float) -> Iterator[Point]:
    after: tuple[int, int, int] | None = None
    first, upto = math.ceil(start * 1000), math.ceil(end * 1000)
    while page := transaction.records.scan([series], start=first, end=upto, after=after, limit=5000):
        for record in page:
            yield Point(record.at / 1000, *orjson.loads(record.body))
        after = (page[-1].at, page[-1].series, page[-1].sequence)


def _numbers(point: Point) -> tuple[float, ...]:
    return point.timestamp, point.count, point.total, point.minimum, point.maximum


def _metric(series: Series) -> Metric:
    name, dimensions = series.name.rsplit("\n", 1)
    return Metric(series.parent, name, orjson.loads(dimensions), series.last_at / 1000)


def _has(metric: Metric, wanted: Sequence[tuple[str, str | None]]) -> bool:
    return all(name in metric.dimensions and value in (None, metric.dimensions[name]) for name, value in wanted)


def _series_name(name: str, dimensions: Mapping[str, str]) -> str:
    """JSON has no line break, so the last one parts name and dimensions."""
    return f"{name}\n{orjson.dumps(dimensions, option=orjson.OPT_SORT_KEYS).decode()}"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
