"""Follows the containers of a training job: their log lines, the metrics in them, what they use, their checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagewright.base.world import World
from sagewright.compute.placement import Machine, limits, notice
from sagewright.compute.runtime import Limits, Runtime, Stats
from sagewright.features.training.folder import JobFolder, job_folder
from sagewright.features.training.instances import JobInstance, instances
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
        """What is new in the logs since the last look, and what the containers use."""
        for instance in _instances(resource):
            await tail.follow(self.store, self._source(resource, instance))
            await self._measure(resource, instance)

    async def synchronise(self, resource: Resource) -> None:
        """Stores checkpoints now and then; a file that is still being written waits. Raises ConnectionError, TransferError."""
        folder, now = job_folder(self.jobs, resource), self.store.clock.now()
        if now - self.pushed.get(folder, 0.0) < PUSH_SECONDS:
            return
        await self._push(resource, now - SETTLED_SECONDS)
        self.pushed[folder] = self.store.clock.now()

    async def look_last(self, resource: Resource) -> None:
        """Everything that is left once the containers have ended."""
        for instance in _instances(resource):
            await tail.follow(self.store, self._source(resource, instance), ended=True)
        await self._push(resource, float("inf"))

    async def metrics(self, resource: Resource) -> tuple[Document, ...]:
        """FinalMetricDataList so far: the last value of each, whichever instance it comes from."""
        if "Stream" not in resource.status.get("Run", {}):
            return ()
        final: dict[str, list[float]] = {}
        for instance in _instances(resource):
            found = (await tail.note(self.store, self._source(resource, instance))).get("Final", {})
            final |= {name: last for name, last in found.items() if name not in final or last[1] > final[name][1]}
        return tuple({"MetricName": name, "Value": value, "Timestamp": when} for name, (value, when) in sorted(final.items()))

    async def forget(self, resource: Resource) -> None:
        """Drops what was remembered of a job that is over."""
        self.pushed.pop(job_folder(self.jobs, resource), None)
        for folder in JobFolder.all(self.jobs, resource):
            self.samples.pop(folder.run, None)
        if "Stream" in resource.status.get("Run", {}):
            sources = [self._source(resource, instance) for instance in _instances(resource)]
            await self.store.write(lambda transaction: _forget(transaction, sources))

    def _source(self, resource: Resource, instance: JobInstance) -> tail.Source:
        definitions, stream = definitions_of(resource), _stream(resource, instance)
        texts = (notice(instance.instance_type), self.runtime.caution)

        async def digest(events: Sequence[Event], note: Document) -> tail.Digest:
            wanted = [item for item in definitions if item["Name"] not in note.get("Slow", ())]
            found = await self.scraper.find(wanted, [event.message for event in events])
            return _digest(resource, stream, events, note, found)

        return tail.Source(
            resource.world,
            GROUP,
            stream,
            JobFolder.of(self.jobs, resource, instance.host).stdout,
            tuple(filter(None, texts)),
            digest if definitions else None,
        )

    async def _push(self, resource: Resource, before: float) -> None:
        """All instances' files come under the same prefix; of those with one name the last to change stays (DG model-checkpoints)."""
        for name, part in synchronised(resource.spec).items():
            for folder in JobFolder.all(self.jobs, resource) if part.uri else ():
                await checkpoints.push(self.objects, part.uri, folder.ml, part.below, folder.ledger(name), before)

    async def _measure(self, resource: Resource, instance: JobInstance) -> None:
        folder, now = JobFolder.of(self.jobs, resource, instance.host).run, self.store.clock.now()
        then, before = self.samples.get(folder, (0.0, None))
        if now - then < SAMPLE_SECONDS:
            return
        try:
            stats = await asyncio.to_thread(self.runtime.stats, folder)
        except OSError:
            return  # it has just ended
        self.samples[folder] = (now, stats)
        if before is not None:
            volume = resource.spec["ResourceConfig"].get("VolumeSizeInGB", 0)
            points = _utilisation(limits(instance.instance_type, volume, self.machine), before, stats, now - then)
            await self.store.write(lambda transaction: _put_utilisation(transaction, resource, instance, points, now))


def definitions_of(resource: Resource) -> list[dict[str, str]]:
    """MetricDefinitions of the request and of the built-in algorithm (kinds.py)."""
    document = {**resource.spec, **resource.status}
    found: list[dict[str, str]] = document["AlgorithmSpecification"].get("MetricDefinitions", [])
    return found


def notices(resource: Resource) -> list[str]:
    """What the user should know about the job's instance types, once for each."""
    types = dict.fromkeys(instance.instance_type for instance in _instances(resource))
    return [text for text in map(notice, types) if text]


def _instances(resource: Resource) -> tuple[JobInstance, ...]:
    return instances(resource.spec["ResourceConfig"])


def _stream(resource: Resource, instance: JobInstance) -> str:
    """``<job>/algo-<n>-<epoch>`` (DG logging-cloudwatch); the row has that of algo-1."""
    epoch: str = resource.status["Run"]["Stream"].rpartition("-")[2]
    return f"{resource.name}/{instance.host}-{epoch}"


def _forget(transaction: Transaction, sources: Sequence[tail.Source]) -> None:
    for source in sources:
        tail.forget(transaction, source)


def _digest(resource: Resource, stream: str, events: Sequence[Event], note: Document, found: Found) -> tail.Digest:
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
        _complain(transaction, resource.world, stream, events, found.slow)

    return tail.Digest(write, kept)


def _complain(transaction: Transaction, world: World, stream: str, events: Sequence[Event], slow: Sequence[str]) -> None:
    lines = [
        f"The regular expression of the metric definition {name} takes too long; it is not used any more." for name in slow
    ]
    if lines:
        logs.append(transaction, world, GROUP, stream, [Event(events[-1].timestamp, line) for line in lines])


def _utilisation(limit: Limits, before: Stats, stats: Stats, seconds: float) -> dict[str, float]:
    """DG monitoring-cloudwatch: CPU in percent of a core, summed over cores; memory and disk in percent of what there is."""
    found = {"CPUUtilization": max(0.0, stats.cpu - before.cpu) / seconds * 100}
    if limit.memory:
        found["MemoryUtilization"] = stats.memory / limit.memory * 100
    if limit.disk:
        found["DiskUtilization"] = stats.disk / limit.disk * 100
    return found


def _put_utilisation(
    transaction: Transaction, resource: Resource, instance: JobInstance, points: dict[str, float], now: float
) -> None:
    for name, value in points.items():
        point = Point(now, 1, value, value, value, "Percent")
        metrics.put(transaction, resource.world, GROUP, name, {"Host": f"{resource.name}/{instance.host}"}, [point])
