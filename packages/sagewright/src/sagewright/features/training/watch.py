"""Follows the containers of a training job: their log lines, the metrics in them, what they use, their checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sagewright.base.world import World
from sagewright.features.training.synchronised import synchronised
from sagewright.jobs.log import JobLog
from sagewright.jobs.synchronised import Synchronised
from sagewright.jobs.usage import Usage, namespace
from sagewright.objects.s3 import Objects
from sagewright.signals import logs, metrics, tail
from sagewright.signals.logs import Event
from sagewright.signals.metrics import Point
from sagewright.signals.scrape import Found, Scraper
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource

GROUP = namespace("TrainingJob")


@dataclass(slots=True)
class Watch:
    """``log`` brings lines out, with the metrics in them; ``folders`` are checkpoints and TensorBoard's."""

    log: JobLog
    folders: Synchronised
    scraper: Scraper

    @classmethod
    def compose(cls, store: Store, caution: str, objects: Objects, jobs: Path, usage: Usage) -> Watch:
        """``caution`` is the runtime's."""
        scraper = Scraper()

        def digest(resource: Resource, stream: str) -> tail.Digester | None:
            return _digester(scraper, resource, stream)

        log = JobLog(store, caution, jobs, usage, digest)
        return cls(log, Synchronised(objects, jobs, store.clock, synchronised), scraper)

    async def look(self, resource: Resource) -> None:
        """What is new in the logs since the last look, and what the containers use."""
        await self.log.look(resource)

    async def synchronise(self, resource: Resource) -> None:
        """Stores checkpoints now and then; a file that is still being written waits. Raises ConnectionError, TransferError."""
        await self.folders.push_settled(resource)

    async def look_last(self, resource: Resource) -> None:
        """Everything that is left once the containers have ended."""
        await self.log.look_last(resource)
        await self.folders.push_last(resource)

    async def metrics(self, resource: Resource) -> tuple[Document, ...]:
        """FinalMetricDataList so far: the last value of each, whichever instance it comes from."""
        final: dict[str, list[float]] = {}
        for note in await self.log.notes(resource):
            found = note.get("Final", {})
            final |= {name: last for name, last in found.items() if name not in final or last[1] > final[name][1]}
        return tuple({"MetricName": name, "Value": value, "Timestamp": when} for name, (value, when) in sorted(final.items()))

    async def forget(self, resource: Resource) -> None:
        """Drops what was remembered of a job that is over."""
        self.folders.forget(resource)
        await self.log.forget(resource)


def definitions_of(resource: Resource) -> list[dict[str, str]]:
    """MetricDefinitions of the request and of the built-in algorithm (kinds.py)."""
    document = {**resource.spec, **resource.status}
    found: list[dict[str, str]] = document["AlgorithmSpecification"].get("MetricDefinitions", [])
    return found


def _digester(scraper: Scraper, resource: Resource, stream: str) -> tail.Digester | None:
    definitions = definitions_of(resource)

    async def digest(events: Sequence[Event], note: Document) -> tail.Digest:
        wanted = [item for item in definitions if item["Name"] not in note.get("Slow", ())]
        found = await scraper.find(wanted, [event.message for event in events])
        return _digest(resource, stream, events, note, found)

    return digest if definitions else None


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
