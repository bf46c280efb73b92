"""What the replicas of an endpoint use, as CloudWatch shows it (DG monitoring-cloudwatch, /aws/sagemaker/Endpoints; feature row K18)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import WORLD, Harness

from sagewright.base.clock import VirtualClock
from sagewright.compute.fake import Fake
from sagewright.compute.placement import GIB
from sagewright.compute.runtime import Limits, Stats
from sagewright.features.hosting.usage import NAMESPACE, Measured, ReplicaUsage
from sagewright.serving.unit import Unit
from sagewright.signals import metrics
from sagewright.store.rows import Resource

ENDPOINT = Resource(WORLD, "Endpoint", "e", "arn:e", "e")


class Meters(Fake):
    """Says what it is told to say; who is unknown has just ended."""

    said: dict[Path, Stats]

    def stats(self, folder: Path) -> Stats:
        if folder not in self.said:
            raise OSError("it is gone")
        return self.said[folder]


@pytest.fixture
def started() -> Iterator[Harness]:
    with Harness(VirtualClock()) as harness:
        yield harness


def replica(home: Path, variant: str = "v") -> Measured:
    unit = Unit(ENDPOINT.identity, home, "key", 0, "group", "stream")
    return Measured(variant, unit, Limits(cpus=2, memory=8 * GIB, disk=30 * GIB))


def values(harness: Harness, name: str) -> list[float]:
    dimensions = {"EndpointName": "e", "VariantName": "v"}
    read = harness.parts.store.read
    return list(harness.run(read(lambda transaction: metrics.values(transaction, WORLD, NAMESPACE, name, dimensions))))


def test_each_replica_is_a_sample(started: Harness, tmp_path: Path) -> None:
    meters = Meters()
    first, second = replica(tmp_path / "0"), replica(tmp_path / "1")
    usage = ReplicaUsage(started.parts.store, meters, 10.0)
    meters.said = {first.run: Stats(5.0, 2 * GIB, 3 * GIB), second.run: Stats(1.0, 4 * GIB, 3 * GIB)}
    started.run(usage.measure(ENDPOINT, [first, second]))
    assert values(started, "CPUUtilization") == []
    started.clock.advance(5)  # type: ignore[attr-defined]
    started.run(usage.measure(ENDPOINT, [first, second]))
    started.clock.advance(5)  # type: ignore[attr-defined]
    meters.said = {first.run: Stats(20.0, 2 * GIB, 3 * GIB), second.run: Stats(2.0, 4 * GIB, 3 * GIB)}
    started.run(usage.measure(ENDPOINT, [first, second]))
    assert values(started, "CPUUtilization") == [150.0, 10.0]
    assert values(started, "MemoryUtilization") == [25.0, 50.0]
    assert values(started, "DiskUtilization") == [10.0, 10.0]
    started.clock.advance(10)  # type: ignore[attr-defined]
    del meters.said[second.run]
    started.run(usage.measure(ENDPOINT, [first, second]))
    assert values(started, "MemoryUtilization") == [25.0, 50.0, 25.0]
    started.run(usage.measure(ENDPOINT, []))
    started.clock.advance(10)  # type: ignore[attr-defined]
    started.run(usage.measure(ENDPOINT, [first]))
    assert len(values(started, "MemoryUtilization")) == 3, "an endpoint that had no replicas begins anew"


def test_containers_of_one_instance_are_added(started: Harness, tmp_path: Path) -> None:
    """An inference pipeline."""
    meters, one = Meters(), replica(tmp_path)
    (tmp_path / "containers.json").write_text('["a", "b"]')
    usage = ReplicaUsage(started.parts.store, meters, 10.0)
    runs = [tmp_path / "containers" / name / "0" for name in ("a", "b")]
    for cpu in (0.0, 5.0):
        meters.said = {run: Stats(cpu, GIB, GIB) for run in runs}
        started.run(usage.measure(ENDPOINT, [one]))
        started.clock.advance(10)  # type: ignore[attr-defined]
    assert values(started, "CPUUtilization") == [100.0]
    assert values(started, "MemoryUtilization") == [25.0]
