"""Follows a training container: its log lines, the metrics in them, what it uses, its checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sagewright.base.world import World
from sagewright.compute.placement import Machine, limits, notice
from sagewright.compute.runtime import Runtime, Stats
from sagewright.features.training.folder import JobFolder
from sagewright.features.training.synchronised import synchronised
from sagewright.objects import checkpoints
from sagewright.objects.s3 import Objects
from sagewright.signals import logs, metrics, tail
from sagewright.signals.logs import Event
from sagewright.signals.metrics import Point
from sagewright.signals.scrape import Found, Scraper
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource

GROUP = "/aws/sagemaker/TrainingJobs"
"""Log group and metric namespace have the same name (DG logging-cloudwatch, monitoring-cloudwatch)."""
SAMPLE_SECONDS = 15.0
PUSH_SECONDS = 5.0
"""Between two pushes of checkpoints."""
SETTLED_SECONDS = 1.0
"""A checkpoint that has not changed for so long is complete."""


@dataclass(slots=True)
class Watch:
    """``samples`` remembers the CPU seconds of the last look, ``pushed`` the time of the last push, both by run folder."""

    store: Store
    runtime: Runtime
    objects: Objects
    scraper: Scraper
    jobs: Path
    machine: Machine
    samples: dict[Path, tuple[float, Stats]] = field(default_factory=dict)
    pushed: dict[Path, float] = field(default_factory=dict)

    async def look(self, resource: Resource) -> None:
        """What is new in the log since the last look, and what the container uses."""
        await tail.follow(self.store, self._source(resource))
        await self._measure(resource)

    async def synchronise(self, resource: Resource) -> None:
        """Stores checkpoints now and then; a file that is still being written waits. Raises ConnectionError, TransferError."""
        folder, now = JobFolder.of(self.jobs, resource).run, self.store.clock.now()
        if now - self.pushed.get(folder, 0.0) < PUSH_SECONDS:
            return
        await self._push(resource, now - SETTLED_SECONDS)
        self.pushed[folder] = self.store.clock.now()

    async def look_last(self, resource: Resource) -> None:
        """Everything that is left once the container has ended."""
        await tail.follow(self.store, self._source(resource), ended=True)
        await self._push(resource, float("inf"))

    async def metrics(self, resource: Resource) -> tuple[Document, ...]:
        """FinalMetricDataList so far."""
        if "Stream" not in resource.status.get("Run", {}):
            return ()
        final = (await tail.note(self.store, self._source(resource))).get("Final", {})
        return tuple({"MetricName": name, "Value": value, "Timestamp": when} for name, (value, when) in sorted(final.items()))

    async def forget(self, resource: Resource) -> None:
        """Drops what was remembered of a job that is over."""
        for known in (self.samples, self.pushed):
            known.pop(JobFolder.of(self.jobs, resource).run, None)
        if "Stream" in resource.status.get("Run", {}):
            source = self._source(resource)
            await self.store.write(lambda transaction: tail.forget(transaction, source))

    def _source(self, resource: Resource) -> tail.Source:
        definitions = definitions_of(resource)
        texts = (notice(resource.spec["ResourceConfig"]["InstanceType"]), self.runtime.caution)

        async def digest(events: Sequence[Event], note: Document) -> tail.Digest:
            wanted = [item for item in definitions if item["Name"] not in note.get("Slow", ())]
            found = await self.scraper.find(wanted, [event.message for event in events])
            return _digest(resource, events, note, found)

        return tail.Source(
            resource.world,
            GROUP,
            resource.status["Run"]["Stream"],
            JobFolder.of(self.jobs, resource).stdout,
            tuple(filter(None, texts)),
            digest if definitions else None,
        )

    async def _push(self, resource: Resource, before: float) -> None:
        folder = JobFolder.of(self.jobs, resource)
        for name, part in synchronised(resource.spec).items():
            if part.uri:
                await checkpoints.push(self.objects, part.uri, folder.ml, part.below, folder.ledger(name), before)

    async def _measure(self, resource: Resource) -> None:
        folder, now = JobFolder.of(self.jobs, resource).run, self.store.clock.now()
        then, before = self.samples.get(folder, (0.0, None))
        if now - then < SAMPLE_SECONDS:
            return
        try:
            stats = await asyncio.to_thread(self.runtime.stats, folder)
        except OSError:
            return  # it has just ended
        self.samples[folder] = (now, stats)
        if before is not None:
            points = _utilisation(resource, self.machine, before, stats, now - then)
            await self.store.write(lambda transaction: _put_utilisation(transaction, resource, points, now))


def definitions_of(resource: Resource) -> list[dict[str, str]]:
    """MetricDefinitions of the request and of the built-in algorithm (kinds.py)."""
    document = {**resource.spec, **resource.status}
    found: list[dict[str, str]] = document["AlgorithmSpecification"].get("MetricDefinitions", [])
    return found


def _digest(resource: Resource, events: Sequence[Event], note: Document, found: Found) -> tail.Digest:
    """Metric points at the time of their line; the last value of each is kept for FinalMetricDataList."""
    final = dict(note.get("Final", {}))
    points: dict[str, list[Point]] = {}
    for value in found.values:
        when = events[value.line].timestamp / 1000
        points.setdefault(value.name, []).append(Point(when, 1, value.value, value.value, value.value))
        final[value.name] = [value.value, when]
    kept = {"Final": final, "Slow": [*note.get("Slow", ()), *found.slow]}

    def write(transaction: Transaction) -> None:
        for name, new in points.items():
            metrics.put(transaction, resource.world, GROUP, name, {"TrainingJobName": resource.name}, new)
        _complain(transaction, resource.world, resource.status["Run"]["Stream"], events, found.slow)

    return tail.Digest(write, kept)


def _complain(transaction: Transaction, world: World, stream: str, events: Sequence[Event], slow: Sequence[str]) -> None:
    lines = [
        f"The regular expression of the metric definition {name} takes too long; it is not used any more." for name in slow
    ]
    if lines:
        logs.append(transaction, world, GROUP, stream, [Event(events[-1].timestamp, line) for line in lines])


def _utilisation(resource: Resource, machine: Machine, before: Stats, stats: Stats, seconds: float) -> dict[str, float]:
    """DG monitoring-cloudwatch: CPU in percent of a core, summed over cores; memory and disk in percent of what there is."""
    config: dict[str, Any] = resource.spec["ResourceConfig"]
    limit = limits(config["InstanceType"], config.get("VolumeSizeInGB", 0), machine)
    found = {"CPUUtilization": max(0.0, stats.cpu - before.cpu) / seconds * 100}
    if limit.memory:
        found["MemoryUtilization"] = stats.memory / limit.memory * 100
    if limit.disk:
        found["DiskUtilization"] = stats.disk / limit.disk * 100
    return found


def _put_utilisation(transaction: Transaction, resource: Resource, points: dict[str, float], now: float) -> None:
    for name, value in points.items():
        point = Point(now, 1, value, value, value, "Percent")
        metrics.put(transaction, resource.world, GROUP, name, {"Host": f"{resource.name}/algo-1"}, [point])
