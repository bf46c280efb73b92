"""Where the work of jobs is done: what every controller of jobs looks at and has done on this machine, whatever they are for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sagewright.compute.runtime import Observed as Instance
from sagewright.compute.runtime import Runtime
from sagewright.compute.slots import Slots
from sagewright.jobs import gpus, steps
from sagewright.jobs.blame import first_failure
from sagewright.jobs.devices import all_given
from sagewright.jobs.folder import JobFolder, job_folder, key, network_folder, prefix
from sagewright.jobs.following import Following
from sagewright.jobs.launch import Launch
from sagewright.jobs.sight import Action, Download, Failure, Forget, JobSight, Remove, Reserve, Signal, Start, Upload, Watch
from sagewright.kernel.controller import Later
from sagewright.kernel.errands import ErrandFailed, Errands
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Identity, Resource


@dataclass(slots=True)
class Workshop:
    """Of one kind of jobs; ``terminal`` are the states of those that are over.

    ``bring`` and ``deliver`` (a job, whether what it made is wanted) are what is its own of the errands download and upload.
    ``failure`` below /opt/ml is the file in which a container says why it fails, or empty.
    """

    kind: str
    terminal: Collection[str]
    store: Store
    runtime: Runtime
    jobs: Path
    slots: Slots
    errands: Errands
    launch: Launch
    following: Following
    bring: Callable[[Resource], Awaitable[None]]
    deliver: Callable[[Resource, bool], Awaitable[None]]
    failure: str = "output/failure"

    async def look(self, resource: Resource) -> JobSight:
        """Errands are looked at before the containers: one that has just ended cannot hide what it did."""
        if self.is_over(resource):
            return JobSight()  # the row alone says what is left to do
        download, start, upload = (self.errands.look(resource.identity, name) for name in ("download", "start", "upload"))
        instances, failure = await asyncio.to_thread(self._containers, resource)
        return JobSight(
            instances=instances,
            failure=failure,
            placed=self.slots.holds(key(resource)),
            waiting=self._waiting(resource),
            download=download,
            start=start,
            upload=upload,
        )

    async def perform(self, resource: Resource, action: Action) -> None:
        """Does one action. Raises Later."""
        job = resource.identity
        match action:
            case Reserve(adopted):
                if not self.take(resource, adopted):
                    raise Later(steps.WAIT_SECONDS, "another job took the last place")
            case Download():
                self.errands.begin(job, "download", lambda: self.bring(resource))
            case Start():
                self.errands.begin(job, "start", lambda: self.launch.start(resource))
            case Watch():
                for name, look in self.following.looks.items():
                    self.errands.repeat(job, name, partial(look, resource))
            case Upload(wanted):
                self.errands.begin(job, "upload", lambda: self._upload(resource, wanted))
            case Signal(number):
                await asyncio.to_thread(self._signal, resource, number)
            case Forget(errand):
                self.errands.forget(job, errand)
            case Remove():
                await self.clear(resource)
                self.give_back(resource)

    def is_over(self, resource: Resource) -> bool:
        """Whether nothing is left to do but to remove what it has on disk."""
        return resource.state in self.terminal or resource.state == "Deleting"

    def take(self, resource: Resource, adopted: bool) -> bool:
        """Whether it has its places now. An adopted job goes on with the GPUs that it was given."""
        given = all_given(self.jobs, resource) if adopted else ()
        devices = given if any(given) else None
        need = gpus.need(resource.spec)
        return self.slots.take(key(resource), need, adopted, devices, lambda: self.errands.told(resource.identity))

    def give_back(self, resource: Resource) -> None:
        """Its places are free."""
        self.slots.give_back(key(resource))

    async def look_last(self, resource: Resource) -> None:
        """Everything that is left once the containers have ended."""
        for name in self.following.looks:
            await self.errands.finish(resource.identity, name)
        await self.following.look_last(resource)

    def check_folders(self, resource: Resource) -> None:
        """Raises ErrandFailed when there is nothing left to bring out."""
        if not all(folder.ml.is_dir() for folder in JobFolder.all(self.jobs, resource)):
            raise ErrandFailed("InternalServerError: The job's folder is gone; what it wrote is lost. Please try again.")

    async def clear(self, resource: Resource, keep: Callable[[Resource], None] = lambda resource: None) -> None:
        """Ends its errands and removes its containers and folders, out of which ``keep`` may take something; its places stay its own."""
        await self.errands.cancel(resource.identity)
        await asyncio.to_thread(self._remove, resource, keep)
        await self.following.forget(resource)

    async def adopt(self, also: Callable[[Resource], bool] = lambda resource: False) -> None:
        """Gives every job that runs what it has, before the first look at any: who waits must not get it.

        ``also``: whether a job that does not run has places.
        """
        rows = await self.store.read(lambda transaction: transaction.resources.unsettled([self.kind]))
        for identity, _ in rows:
            row = await self.store.read(partial(_row, identity))
            if row is not None and (also(row) or self._was_given(row)):
                self.take(row, adopted=True)

    async def reset(self) -> None:
        """Ends every errand and gives back every place of a job of this kind."""
        await self.errands.close()
        self.slots.forget(prefix(self.kind))

    async def close(self) -> None:
        """Ends what runs in this process; containers go on."""
        await self.errands.close()

    def _containers(self, resource: Resource) -> tuple[tuple[Instance, ...], Failure | None]:
        found = JobFolder.all(self.jobs, resource)
        containers = tuple(self.runtime.observe(folder.run) for folder in found)
        return containers, first_failure(containers, found, self.failure)

    def _waiting(self, resource: Resource) -> str:
        """Only who will take places stands in line for them."""
        if resource.status.get("Run", {}).keys() & {"Outcome", "Leaving"}:
            return ""
        return self.slots.ask(key(resource), gpus.need(resource.spec), lambda: self.errands.told(resource.identity))

    def _was_given(self, resource: Resource) -> bool:
        """Whether its containers run, or may do so at any moment: what they are to have is written down."""
        states = {self.runtime.observe(folder.run).state for folder in JobFolder.all(self.jobs, resource)}
        return "running" in states or (states == {"missing"} and any(all_given(self.jobs, resource)))

    def _signal(self, resource: Resource, number: int) -> None:
        for folder in JobFolder.all(self.jobs, resource):
            self.runtime.signal(folder.run, number)

    async def _upload(self, resource: Resource, wanted: bool) -> None:
        """Log before status: whoever sees the end sees every line."""
        await self.look_last(resource)
        self.check_folders(resource)
        await self.deliver(resource, wanted)

    def _remove(self, resource: Resource, keep: Callable[[Resource], None]) -> None:
        keep(resource)
        for folder in JobFolder.all(self.jobs, resource):
            self.runtime.remove(folder.run)
        self.runtime.remove(network_folder(self.jobs, resource))
        with suppress(OSError):
            job_folder(self.jobs, resource).rmdir()


def _row(identity: Identity, transaction: Transaction) -> Resource | None:
    return transaction.resources.get(*identity)
