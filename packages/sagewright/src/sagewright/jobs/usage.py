"""What the containers of a job use, as CloudWatch's instance metrics (DG monitoring-cloudwatch)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from sagewright.compute import gpu_use
from sagewright.compute.gpu_use import GpuUse
from sagewright.compute.placement import Machine, limits
from sagewright.compute.runtime import Runtime, Stats
from sagewright.compute.utilisation import SAMPLE_SECONDS, utilisation
from sagewright.jobs.devices import given
from sagewright.jobs.folder import JobFolder
from sagewright.jobs.instances import JobInstance, cluster
from sagewright.signals import metrics
from sagewright.signals.metrics import Point
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Resource


def namespace(kind: str) -> str:
    """Log group and metric namespace of a kind of jobs have the same name (DG logging-cloudwatch, monitoring-cloudwatch)."""
    return f"/aws/sagemaker/{kind}s"


@dataclass(slots=True)
class Usage:
    """``samples`` remembers when each container was measured last, and what it had used by then; by run folder."""

    store: Store
    runtime: Runtime
    jobs: Path
    machine: Machine
    interval: float = SAMPLE_SECONDS
    samples: dict[Path, tuple[float, Stats]] = field(default_factory=dict)

    async def measure(self, resource: Resource, instance: JobInstance) -> None:
        """Looks now and then, and writes down the use since the last look."""
        place, now = JobFolder.of(self.jobs, resource, instance.host), self.store.clock.now()
        folder = place.run
        then, before = self.samples.get(folder, (0.0, None))
        if now - then < self.interval:
            return
        try:
            stats = await asyncio.to_thread(self.runtime.stats, folder)
        except OSError:
            return  # it has just ended
        self.samples[folder] = (now, stats)
        if before is not None:
            volume = cluster(resource.spec).get("VolumeSizeInGB", 0)
            points = utilisation(limits(instance.instance_type, volume, self.machine), before, stats, now - then)
            points |= _of_gpus(await asyncio.to_thread(lambda: gpu_use.read(given(place))))
            await self.store.write(lambda transaction: _put(transaction, resource, instance, points, now))

    def forget(self, resource: Resource) -> None:
        """Drops what was remembered of a job that is over."""
        for folder in JobFolder.all(self.jobs, resource):
            self.samples.pop(folder.run, None)


def _of_gpus(use: GpuUse | None) -> dict[str, float]:
    return {"GPUUtilization": use.busy, "GPUMemoryUtilization": use.memory} if use else {}


def _put(transaction: Transaction, resource: Resource, instance: JobInstance, points: dict[str, float], now: float) -> None:
    for name, value in points.items():
        point = Point(now, 1, value, value, value, "Percent")
        metrics.put(
            transaction, resource.world, namespace(resource.kind), name, {"Host": f"{resource.name}/{instance.host}"}, [point]
        )
