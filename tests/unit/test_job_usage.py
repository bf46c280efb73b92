"""What the hosts of a job use, as CloudWatch shows it (DG monitoring-cloudwatch; feature rows G17, N05)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from harness import WORLD, Harness, Parts

from sagewright.base.clock import VirtualClock
from sagewright.compute.fake import Fake
from sagewright.compute.placement import GIB, Machine
from sagewright.compute.runtime import Stats
from sagewright.jobs.instances import cluster, instances
from sagewright.jobs.usage import Usage
from sagewright.neighbours.cloudwatch import CloudWatch
from sagewright.store.rows import Resource

NAMESPACE = "/aws/sagemaker/TrainingJobs"
JOB = Resource(
    WORLD,
    "TrainingJob",
    "busy",
    "arn:busy",
    "busy",
    spec={"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10}},
)


class Meters(Fake):
    """Says what it is told to say; who is unknown has just ended."""

    said: dict[str, Stats]

    def stats(self, folder: Path) -> Stats:
        if folder.name not in self.said:
            raise OSError("it is gone")
        return self.said[folder.name]


@pytest.fixture
def started() -> Iterator[Harness]:
    def install(parts: Parts) -> None:
        for name, handler in CloudWatch(parts.store).operations().items():
            parts.operations.write("cloudwatch", name, handler)

    with Harness(VirtualClock(), install=install) as harness:
        yield harness


@pytest.fixture
def meters() -> Meters:
    made = Meters()
    made.said = {"algo-1": Stats(10.0, 2 * GIB, 1 * GIB)}
    return made


@pytest.fixture
def usage(started: Harness, meters: Meters, tmp_path: Path) -> Usage:
    return Usage(started.parts.store, meters, tmp_path, Machine(4, 64 * GIB))


def look(started: Harness, usage: Usage, seconds: float = 0.0) -> None:
    """At both hosts, after so many seconds."""
    cast("VirtualClock", started.clock).advance(seconds)
    for instance in instances(cluster(JOB.spec)):
        started.run(usage.measure(JOB, instance))


def seen(started: Harness, host: str = "algo-1") -> dict[str, list[float]]:
    cloudwatch: Any = started.client("cloudwatch")
    found = {}
    for metric in cloudwatch.list_metrics(Namespace=NAMESPACE)["Metrics"]:
        if metric["Dimensions"] != [{"Name": "Host", "Value": f"busy/{host}"}]:
            continue
        points = cloudwatch.get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=metric["MetricName"],
            Dimensions=metric["Dimensions"],
            StartTime=datetime.fromtimestamp(started.clock.now() - 600, UTC),
            EndTime=datetime.fromtimestamp(started.clock.now() + 60, UTC),
            Period=1,
            Statistics=["Maximum"],
        )["Datapoints"]
        found[metric["MetricName"]] = [point["Maximum"] for point in points]
    return found


def test_use_since_the_last_look_in_percent_of_the_instance_type(started: Harness, usage: Usage, meters: Meters) -> None:
    look(started, usage)
    assert seen(started) == {}
    meters.said["algo-1"] = Stats(25.0, 4 * GIB, 5 * GIB)
    look(started, usage, 10)
    assert seen(started) == {}, "too soon"
    look(started, usage, 5)
    assert seen(started) == {"CPUUtilization": [100.0], "MemoryUtilization": [50.0], "DiskUtilization": [50.0]}
    assert seen(started, "algo-2") == {}, "it runs no more"


def test_how_often_is_a_setting(started: Harness, usage: Usage) -> None:
    often = replace(usage, interval=1.0)
    for _ in range(4):
        look(started, often, 1)
    assert len(seen(started)["CPUUtilization"]) == 3


def test_a_job_with_gpus_shows_their_use(
    started: Harness, usage: Usage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-a, 40, 1, 4'\necho '1, GPU-b, 90, 3, 4'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    marks = tmp_path / "training-job" / WORLD.account / WORLD.region / "busy" / "algo-1" / "marks"
    marks.mkdir(parents=True)
    (marks / "gpus.json").write_text(json.dumps(["1"]))
    look(started, usage)
    look(started, usage, 15)
    assert seen(started)["GPUUtilization"] == [90.0]
    assert seen(started)["GPUMemoryUtilization"] == [75.0]
