"""What the replicas of an endpoint use, as CloudWatch's instance metrics (DG monitoring-cloudwatch: /aws/sagemaker/Endpoints)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagewright.compute.runtime import Limits, Runtime, Stats
from sagewright.jobs.usage import SAMPLE_SECONDS, utilisation
from sagewright.serving.ensemble import run_folders
from sagewright.serving.unit import Unit
from sagewright.signals import metrics
from sagewright.signals.metrics import Point
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Identity, Resource

NAMESPACE = "/aws/sagemaker/Endpoints"


@dataclass(frozen=True, slots=True)
class Measured:
    """A replica that serves: its variant, itself, and what it may use."""

    variant: str
    unit: Unit
    limits: Limits

    @property
    def run(self) -> Path:
        """What names it."""
        return self.unit.run


@dataclass(slots=True)
class _Endpoint:
    """When an endpoint was measured last, and what each replica had used by then."""

    at: float
    stats: dict[Path, Stats]


@dataclass(slots=True)
class ReplicaUsage:
    """``interval``: seconds between two measurements; each replica is one sample of its variant's metrics."""

    store: Store
    runtime: Runtime
    interval: float = SAMPLE_SECONDS
    _endpoints: dict[Identity, _Endpoint] = field(default_factory=dict)

    async def measure(self, resource: Resource, replicas: Sequence[Measured]) -> None:
        """Looks now and then, and writes down the use since the last look; of an endpoint without replicas nothing is remembered."""
        if not replicas:
            self._endpoints.pop(resource.identity, None)
            return
        now, before = self.store.clock.now(), self._endpoints.get(resource.identity)
        if before is not None and now - before.at < self.interval:
            return
        stats = await asyncio.to_thread(self._read, replicas)
        self._endpoints[resource.identity] = _Endpoint(now, stats)
        if before is None or now <= before.at:
            return
        found = [
            (replica.variant, utilisation(replica.limits, before.stats[replica.run], stats[replica.run], now - before.at))
            for replica in replicas
            if replica.run in stats and replica.run in before.stats
        ]
        await self.store.write(lambda transaction: _put(transaction, resource, found, now))

    def _read(self, replicas: Sequence[Measured]) -> dict[Path, Stats]:
        found = {}
        for replica in replicas:
            try:
                found[replica.run] = _sum([self.runtime.stats(run) for run in run_folders(replica.unit)])
            except OSError:
                continue  # it has just ended; it is looked after elsewhere
        return found


def _sum(stats: Sequence[Stats]) -> Stats:
    """Of all containers of an instance."""
    cpu, memory, disk = (sum(getattr(each, name) for each in stats) for name in ("cpu", "memory", "disk"))
    return Stats(cpu, memory, disk)


def _put(transaction: Transaction, resource: Resource, found: list[tuple[str, dict[str, float]]], now: float) -> None:
    for variant, values in found:
        dimensions = {"EndpointName": resource.name, "VariantName": variant}
        for name, value in values.items():
            point = Point(now, 1, value, value, value, "Percent")
            metrics.put(transaction, resource.world, NAMESPACE, name, dimensions, (point,))
