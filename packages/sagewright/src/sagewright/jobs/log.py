"""The log of a job while it runs: a stream for each instance, and beside it what each instance uses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sagewright.compute.placement import Machine
from sagewright.jobs import gpus
from sagewright.jobs.folder import JobFolder, job_folder
from sagewright.jobs.instances import JobInstance, cluster, instances
from sagewright.jobs.usage import Usage, namespace
from sagewright.signals import logs, tail
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource

Digesting = Callable[[Resource, str], tail.Digester | None]
"""From a job and the name of one of its streams: what else is made of its lines."""


def nothing_else(resource: Resource, stream: str) -> None:
    """Of jobs whose lines are only shown."""
    return None


@dataclass(slots=True)
class JobLog:
    """``caution`` is the runtime's. ``opened`` remembers, by job folder, whose streams there are.

    The name of algo-1's stream lies in the row: ``Run.Stream`` of its status.
    """

    store: Store
    caution: str
    jobs: Path
    usage: Usage
    digest: Digesting = nothing_else
    opened: set[Path] = field(default_factory=set)

    async def look(self, resource: Resource) -> None:
        """What is new in the logs since the last look, and what the containers use."""
        await self._open_streams(resource)
        for instance in instances(cluster(resource.spec)):
            await tail.follow(self.store, self._source(resource, instance))
            await self.usage.measure(resource, instance)

    async def look_last(self, resource: Resource) -> None:
        """Everything that is left once the containers have ended."""
        await self._open_streams(resource)
        for source in self._sources(resource):
            await tail.follow(self.store, source, ended=True)

    async def notes(self, resource: Resource) -> tuple[Document, ...]:
        """What the digester kept of each stream; nothing before there is one."""
        if "Stream" not in resource.status.get("Run", {}):
            return ()
        return tuple([await tail.note(self.store, source) for source in self._sources(resource)])

    async def forget(self, resource: Resource) -> None:
        """Drops what was remembered of a job that is over; the events stay."""
        self.opened.discard(job_folder(self.jobs, resource))
        self.usage.forget(resource)
        if "Stream" in resource.status.get("Run", {}):
            sources = self._sources(resource)
            await self.store.write(lambda transaction: _forget(transaction, sources))

    async def _open_streams(self, resource: Resource) -> None:
        """SDK v3 shows no line before there are as many streams as instances: one that is silent has its stream, too."""
        folder, sources, now = job_folder(self.jobs, resource), self._sources(resource), int(self.store.clock.now() * 1000)
        if len(sources) == 1 or folder in self.opened:
            return

        def work(transaction: Transaction) -> None:
            for source in sources:
                logs.create_stream(transaction, source.world, source.group, source.stream, now)

        await self.store.write(work)
        self.opened.add(folder)

    def _sources(self, resource: Resource) -> list[tail.Source]:
        return [self._source(resource, instance) for instance in instances(cluster(resource.spec))]

    def _source(self, resource: Resource, instance: JobInstance) -> tail.Source:
        stream = _stream(resource, instance)
        folder = JobFolder.of(self.jobs, resource, instance.host)
        texts = (gpus.notices(resource.spec, self.usage.machine).get(instance.host, ""), self.caution, folder.said)
        return tail.Source(
            resource.world,
            namespace(resource.kind),
            stream,
            folder.stdout,
            tuple(filter(None, texts)),
            self.digest(resource, stream),
        )


def notices(resource: Resource, machine: Machine | None = None) -> list[str]:
    """What the user should know about the job's instance types on a machine (this one if none is named), each text once."""
    return list(dict.fromkeys(gpus.notices(resource.spec, machine or Machine.here()).values()))


def _stream(resource: Resource, instance: JobInstance) -> str:
    """``<job>/algo-<n>-<epoch>`` (DG logging-cloudwatch); the row has that of algo-1."""
    epoch: str = resource.status["Run"]["Stream"].rpartition("-")[2]
    return f"{resource.name}/{instance.host}-{epoch}"


def _forget(transaction: Transaction, sources: Sequence[tail.Source]) -> None:
    for source in sources:
        tail.forget(transaction, source)
