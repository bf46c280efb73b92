"""Follows the containers of a training job: their log lines, the metrics in them, what they use, their checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagewright.base.world import World
from sagewright.compute.placement import notice
from sagewright.features.training.folder import JobFolder, job_folder
from sagewright.features.training.instances import JobInstance, instances
from sagewright.features.training.synchronised import synchronised
from sagewright.features.training.usage import NAMESPACE, Usage
from sagewright.objects import checkpoints
from sagewright.objects.s3 import Objects
from sagewright.signals import logs, metrics, tail
from sagewright.signals.logs import Event
from sagewright.signals.metrics import Point
from sagewright.signals.scrape import Found, Scraper
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource

GROUP = NAMESPACE
"""Log group and metric namespace have the same name (DG logging-cloudwatch, monitoring-cloudwatch)."""
PUSH_SECONDS = 5.0
"""Between two pushes of checkpoints."""
SETTLED_SECONDS = 1.0
"""A checkpoint that has not changed for so long is complete."""


@dataclass(slots=True)
class Watch:
    """``caution`` is the runtime's. ``pushed`` remembers the time of the last push, ``opened`` whose log streams there are: by job folder."""

    store: Store
    caution: str
    objects: Objects
    scraper: Scraper
    jobs: Path
    usage: Usage
    pushed: dict[Path, float] = field(default_factory=dict)
    opened: set[Path] = field(default_factory=set)

    async def look(self, resource: Resource) -> None:
        """What is new in the logs since the last look, and what the containers use."""
        await self._open_streams(resource)
        for instance in _instances(resource):
            await tail.follow(self.store, self._source(resource, instance))
            await self.usage.measure(resource, instance)

    async def synchronise(self, resource: Resource) -> None:
        """Stores checkpoints now and then; a file that is still being written waits. Raises ConnectionError, TransferError."""
        folder, now = job_folder(self.jobs, resource), self.store.clock.now()
        if now - self.pushed.get(folder, 0.0) < PUSH_SECONDS:
            return
        await self._push(resource, now - SETTLED_SECONDS)
        self.pushed[folder] = self.store.clock.now()

    async def look_last(self, resource: Resource) -> None:
        """Everything that is left once the containers have ended."""
        await self._open_streams(resource)
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
        self.opened.discard(job_folder(self.jobs, resource))
        self.usage.forget(resource)
        if "Stream" in resource.status.get("Run", {}):
            sources = [self._source(resource, instance) for instance in _instances(resource)]
            await self.store.write(lambda transaction: _forget(transaction, sources))

    async def _open_streams(self, resource: Resource) -> None:
        """SDK v3 shows no line before there are as many streams as instances: one that is silent has its stream, too."""
        folder, found, now = job_folder(self.jobs, resource), _instances(resource), int(self.store.clock.now() * 1000)
        if len(found) == 1 or folder in self.opened:
            return

        def work(transaction: Transaction) -> None:
            for instance in found:
                logs.create_stream(transaction, resource.world, GROUP, _stream(resource, instance), now)

        await self.store.write(work)
        self.opened.add(folder)

    def _source(self, resource: Resource, instance: JobInstance) -> tail.Source:
        definitions, stream = definitions_of(resource), _stream(resource, instance)
        folder = JobFolder.of(self.jobs, resource, instance.host)
        texts = (notice(instance.instance_type), self.caution, folder.said)

        async def digest(events: Sequence[Event], note: Document) -> tail.Digest:
            wanted = [item for item in definitions if item["Name"] not in note.get("Slow", ())]
            found = await self.scraper.find(wanted, [event.message for event in events])
            return _digest(resource, stream, events, note, found)

        return tail.Source(
            resource.world,
            GROUP,
            stream,
            folder.stdout,
            tuple(filter(None, texts)),
            digest if definitions else None,
        )

    async def _push(self, resource: Resource, before: float) -> None:
        """All instances' files come under the same prefix; of those with one name the last to change stays (DG model-checkpoints)."""
        for name, part in synchronised(resource.spec).items():
            for folder in JobFolder.all(self.jobs, resource) if part.uri else ():
                await checkpoints.push(self.objects, part.uri, folder.ml, part.below, folder.ledger(name), before)


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
