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
from sagewright.serving.unit import Unit
from sagewright.serving.usage import COMPONENTS, ENDPOINTS, Measured, ReplicaUsage
from sagewright.signals import metrics
from sagewright.store.rows import Resource

VARIANT = {"EndpointName": "e", "VariantName": "v"}
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


def replica(home: Path, *more: dict[str, str]) -> Measured:
    unit = Unit(ENDPOINT.identity, home, "key", 0, "group", "stream")
    return Measured(unit, Limits(cpus=2, memory=8 * GIB, disk=30 * GIB), (VARIANT, *more))


def values(harness: Harness, name: str, namespace: str = ENDPOINTS, **more: str) -> list[float]:
    read = harness.parts.store.read
    dimensions = {**VARIANT, **more}
    return list(harness.run(read(lambda transaction: metrics.values(transaction, WORLD, namespace, name, dimensions))))


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


def test_instances_are_told_apart_where_that_is_wanted(started: Harness, tmp_path: Path) -> None:
    """DG monitoring-cloudwatch-enhanced-metrics; the endpoint's own frequency counts."""
    meters = Meters()
    usage = ReplicaUsage(started.parts.store, meters, 1000.0)
    first, second = (replica(tmp_path / name, {**VARIANT, "InstanceId": name}) for name in ("i-0", "i-1"))
    for cpu in (0.0, 5.0, 20.0):
        meters.said = {first.run: Stats(cpu, GIB, GIB), second.run: Stats(2 * cpu, GIB, GIB)}
        started.run(usage.measure(ENDPOINT, [first, second], 10.0))
        started.clock.advance(9.8)  # type: ignore[attr-defined]
    assert values(started, "CPUUtilization", InstanceId="i-0") == pytest.approx([500 / 9.8, 1500 / 9.8])
    assert values(started, "CPUUtilization", InstanceId="i-1") == pytest.approx([1000 / 9.8, 3000 / 9.8])
    assert values(started, "CPUUtilizationNormalized", InstanceId="i-0") == pytest.approx([250 / 9.8, 750 / 9.8])
    assert len(values(started, "CPUUtilization")) == 4


def test_copies_of_components_have_normalized_metrics(started: Harness, tmp_path: Path) -> None:
    """DG monitoring-cloudwatch, /aws/sagemaker/InferenceComponents: in percent of what a copy may use. K06."""
    meters, copy = Meters(), replica(tmp_path / "copy")
    usage = ReplicaUsage(started.parts.store, meters, 10.0, COMPONENTS)
    for cpu in (0.0, 10.0):
        meters.said = {copy.run: Stats(cpu, 2 * GIB, GIB)}
        started.run(usage.measure(ENDPOINT, [copy]))
        started.clock.advance(10)  # type: ignore[attr-defined]
    assert values(started, "CPUUtilizationNormalized", COMPONENTS) == [50.0]
    assert values(started, "MemoryUtilizationNormalized", COMPONENTS) == [25.0]
    assert values(started, "CPUUtilization", COMPONENTS) == []
