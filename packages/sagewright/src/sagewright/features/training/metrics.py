"""The metrics of a training job: found in its log lines by the regular expressions of its metric definitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sagewright.base.world import World
from sagewright.jobs.log import JobLog
from sagewright.jobs.usage import namespace
from sagewright.signals import logs, metrics, tail
from sagewright.signals.logs import Event
from sagewright.signals.metrics import Point
from sagewright.signals.scrape import Found, Scraper
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

GROUP = namespace("TrainingJob")


@dataclass(slots=True)
class Metrics:
    """``digest`` is for the log of a job, from which they are read."""

    scraper: Scraper = field(default_factory=Scraper)

    def digest(self, resource: Resource, stream: str) -> tail.Digester | None:
        """What is made of the lines of a stream besides showing them."""
        return _digester(self.scraper, resource, stream)

    async def final(self, log: JobLog, resource: Resource) -> tuple[Document, ...]:
        """FinalMetricDataList so far: the last value of each, whichever instance it comes from."""
        final: dict[str, list[float]] = {}
        for note in await log.notes(resource):
            found = note.get("Final", {})
            final |= {name: last for name, last in found.items() if name not in final or last[1] > final[name][1]}
        return tuple({"MetricName": name, "Value": value, "Timestamp": when} for name, (value, when) in sorted(final.items()))

    async def close(self) -> None:
        """Ends the process that searches for them."""
        await self.scraper.close()


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
