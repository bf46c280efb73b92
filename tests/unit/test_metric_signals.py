"""Metric points as CloudWatch sums them up (CloudWatch user guide, "Statistics definitions" and "Percentiles"). Feature rows K18, N05."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sagewright.base.clock import VirtualClock
from sagewright.base.world import World
from sagewright.signals import metrics
from sagewright.signals.metrics import Bucket, Point
from sagewright.store.database import Store

WORLD = World("111122223333", "eu-west-1")
JOB = {"TrainingJobName": "job"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/rows.db", VirtualClock())
    yield opened
    await opened.close()


def sample(at: float, value: float, unit: str = "None") -> Point:
    return Point(at, 1, value, value, value, unit)


async def put(
    store: Store, *points: Point, name: str = "loss", dimensions: dict[str, str] | None = None, namespace: str = "N"
) -> None:
    await store.write(lambda transaction: metrics.put(transaction, WORLD, namespace, name, dimensions or JOB, points))


async def buckets(store: Store, start: float, end: float, period: int, **wanted: str) -> list[Bucket]:
    return await store.read(
        lambda transaction: metrics.statistics(
            transaction, WORLD, "N", "loss", JOB, start=start, end=end, period=period, **wanted
        )
    )


async def test_points_are_summed_up_per_period(store: Store) -> None:
    await put(store, sample(100.0, 1.0), sample(159.999, 3.0), sample(160.0, 5.0), sample(99.0, 100.0), sample(220.0, 100.0))
    first, second = await buckets(store, 100.0, 220.0, 60)
    names = ("Average", "Sum", "SampleCount", "Minimum", "Maximum")
    assert (first.timestamp, *(first.statistic(name) for name in names)) == (100.0, 2.0, 4.0, 2.0, 1.0, 3.0)
    assert (second.timestamp, second.statistic("Average")) == (160.0, 5.0)


async def test_more_points_than_a_read_takes_at_once(store: Store) -> None:
    await put(store, *(sample(float(number // 10), 1.0) for number in range(12_000)))
    (bucket,) = await buckets(store, 0.0, 1200.0, 1200)
    assert bucket.statistic("SampleCount") == 12_000


async def test_statistic_sets_count_as_many_samples(store: Store) -> None:
    await put(store, Point(0.0, 3, 9.0, 1.0, 5.0), sample(1.0, 11.0))
    (bucket,) = await buckets(store, 0.0, 60.0, 60)
    assert bucket.statistic("Average") == 5.0
    assert bucket.statistic("p50") is None


async def test_percentiles_of_samples(store: Store) -> None:
    await put(store, *(sample(0.0, float(value)) for value in range(1, 101)))
    (bucket,) = await buckets(store, 0.0, 60.0, 60)
    assert [bucket.statistic(name) for name in ("p0", "p50", "p99", "p99.9", "p100")] == [1.0, 50.0, 99.0, 100.0, 100.0]
    for name in ("p101", "p", "q50", "pnan", "p1e1", "p²"):
        with pytest.raises(ValueError, match=r"percentile|statistic"):
            bucket.statistic(name)


async def test_units_stay_apart(store: Store) -> None:
    await put(store, sample(0.0, 1.0, "Seconds"), sample(0.0, 2.0, "Percent"))
    assert [bucket.unit for bucket in await buckets(store, 0.0, 60.0, 60)] == ["Percent", "Seconds"]
    assert [bucket.total for bucket in await buckets(store, 0.0, 60.0, 60, unit="Percent")] == [2.0]


async def test_a_metric_is_its_exact_set_of_dimensions(store: Store) -> None:
    await put(store, sample(0.0, 1.0), dimensions={**JOB, "Host": "algo-1"})
    assert await buckets(store, 0.0, 60.0, 60) == []


async def test_numbers_that_are_not_finite_are_left_out(store: Store) -> None:
    await put(store, sample(0.0, math.nan), sample(0.0, math.inf), Point(0.0, 0, 0, 0, 0))
    assert await buckets(store, 0.0, 60.0, 60) == []


async def test_metrics_are_found_by_name_dimension_and_recency_page_by_page(store: Store) -> None:
    for number in range(7):
        await put(store, sample(float(number), 1.0), dimensions={"Job": str(number)})
    await put(store, sample(0.0, 1.0), name="other", namespace="M", dimensions={"Other": "x"})

    async def found(**wanted: object) -> list[str]:
        names: list[str] = []
        after: list[str] | None = None
        while True:
            page, after = await store.read(
                lambda transaction, after=after: metrics.find(transaction, WORLD, after=after, limit=2, **wanted)  # type: ignore[misc]
            )
            names += [f"{metric.name}{metric.dimensions.get('Job', '')}" for metric in page]
            if after is None:
                return names

    assert sorted(await found()) == [*(f"loss{number}" for number in range(7)), "other"]
    assert await found(namespace="M") == ["other"]
    assert await found(name="los") == []
    assert await found(namespace="N", name="loss", dimensions=[("Job", "3")]) == ["loss3"]
    assert len(await found(dimensions=[("Job", None)])) == 7
    assert await found(since=5.0) == ["loss5", "loss6"]
