"""What the replicas of endpoints and the copies of inference components use, as CloudWatch's metrics of instances and containers
(DG monitoring-cloudwatch: /aws/sagemaker/Endpoints, /aws/sagemaker/InferenceComponents)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagewright.compute.runtime import Limits, Runtime, Stats
from sagewright.compute.utilisation import SAMPLE_SECONDS, utilisation
from sagewright.serving.ensemble import run_folders
from sagewright.serving.unit import Unit
from sagewright.signals import metrics
from sagewright.signals.metrics import Point
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Identity, Resource

ENDPOINTS = "/aws/sagemaker/Endpoints"
COMPONENTS = "/aws/sagemaker/InferenceComponents"
NAMES: Mapping[str, frozenset[str]] = {
    ENDPOINTS: frozenset({"CPUUtilization", "CPUUtilizationNormalized", "MemoryUtilization", "DiskUtilization"}),
    COMPONENTS: frozenset({"CPUUtilizationNormalized", "MemoryUtilizationNormalized"}),
}
"""What AWS has in each namespace, without GPUs."""
EARLY_SECONDS = 0.5
"""A look may come so much before its time: looks are some seconds apart, and the next one would be late by that."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A replica that serves, what it may use, and the sets of dimensions under which its use is told."""

    unit: Unit
    limits: Limits
    dimensions: tuple[Mapping[str, str], ...]

    @property
    def run(self) -> Path:
        """What names it."""
        return self.unit.run


@dataclass(slots=True)
class _Last:
    """When the replicas of a row were measured last, and what each had used by then."""

    at: float
    stats: dict[Path, Stats]


@dataclass(slots=True)
class ReplicaUsage:
    """``interval``: seconds between two measurements where nothing else is asked for; each replica is one sample."""

    store: Store
    runtime: Runtime
    interval: float = SAMPLE_SECONDS
    namespace: str = ENDPOINTS
    _rows: dict[Identity, _Last] = field(default_factory=dict)

    async def measure(self, resource: Resource, replicas: Sequence[Measured], every: float = 0.0) -> None:
        """Looks now and then (``every`` so many seconds, where that is given), and writes down the use since the last look; of a row
        without replicas nothing is remembered."""
        if not replicas:
            self._rows.pop(resource.identity, None)
            return
        now, before = self.store.clock.now(), self._rows.get(resource.identity)
        if before is not None and now - before.at < (every or self.interval) - EARLY_SECONDS:
            return
        stats = await asyncio.to_thread(self._read, replicas)
        self._rows[resource.identity] = _Last(now, stats)
        if before is None or now <= before.at:
            return
        found = [
            (replica, _shown(replica.limits, before.stats[replica.run], stats[replica.run], now - before.at))
            for replica in replicas
            if replica.run in stats and replica.run in before.stats
        ]
        await self.store.write(lambda transaction: self._put(transaction, resource, found, now))

    def _read(self, replicas: Sequence[Measured]) -> dict[Path, Stats]:
        found = {}
        for replica in replicas:
            try:
                found[replica.run] = _sum([self.runtime.stats(run) for run in run_folders(replica.unit)])
            except OSError:
                continue  # it has just ended; it is looked after elsewhere
        return found

    def _put(
        self, transaction: Transaction, resource: Resource, found: list[tuple[Measured, dict[str, float]]], now: float
    ) -> None:
        for replica, values in found:
            for name in NAMES[self.namespace] & values.keys():
                point = Point(now, 1, values[name], values[name], values[name], "Percent")
                for dimensions in replica.dimensions:
                    metrics.put(transaction, resource.world, self.namespace, name, dimensions, (point,))


def _sum(stats: Sequence[Stats]) -> Stats:
    """Of all containers of an instance."""
    cpu, memory, disk = (sum(getattr(each, name) for each in stats) for name in ("cpu", "memory", "disk"))
    return Stats(cpu, memory, disk)


def _shown(limits: Limits, before: Stats, stats: Stats, seconds: float) -> dict[str, float]:
    """Normalized is in percent of all that there is, whatever the number of cores."""
    found = utilisation(limits, before, stats, seconds)
    if limits.cpus:
        found["CPUUtilizationNormalized"] = found["CPUUtilization"] / limits.cpus
    if "MemoryUtilization" in found:
        found["MemoryUtilizationNormalized"] = found["MemoryUtilization"]
    return found
