"""The controller of processing jobs: looks, asks plan.py, and has the work done by its parts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sagewright.compute.runtime import Observed as Instance
from sagewright.compute.runtime import Runtime
from sagewright.compute.slots import Slots
from sagewright.features.processing import message
from sagewright.features.processing import plan as planning
from sagewright.features.processing.delivery import Delivery
from sagewright.features.processing.folder import JobFolder
from sagewright.features.processing.intake import Intake
from sagewright.features.processing.message import SILENT, ExitMessage
from sagewright.features.processing.progress import TERMINAL
from sagewright.features.processing.sight import Action, Sight, Upload
from sagewright.jobs import gpus, sight
from sagewright.jobs.blame import first_failure
from sagewright.jobs.devices import all_given
from sagewright.jobs.folder import job_folder, key, network_folder, prefix
from sagewright.jobs.launch import Launch
from sagewright.jobs.log import JobLog
from sagewright.jobs.sight import Failure
from sagewright.jobs.synchronised import Synchronised
from sagewright.kernel.controller import Later
from sagewright.kernel.errands import Errands
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Identity, Resource


@dataclass(slots=True)
class ProcessingController:
    """See kernel.controller.Controller."""

    store: Store
    runtime: Runtime
    jobs: Path
    slots: Slots
    errands: Errands
    intake: Intake
    launch: Launch
    log: JobLog
    continuous: Synchronised
    delivery: Delivery
    kind: str = "ProcessingJob"

    async def observe(self, resource: Resource) -> Sight:
        """Errands are looked at before the containers: one that has just ended cannot hide what it did."""
        job = resource.identity
        download, start, upload = (self.errands.look(job, name) for name in ("download", "start", "upload"))
        containers, failure, said = await asyncio.to_thread(self._look, JobFolder.all(self.jobs, resource))
        return Sight(
            instances=containers,
            failure=failure,
            placed=self.slots.holds(key(resource)),
            waiting=self._waiting(resource),
            download=download,
            start=start,
            upload=upload,
            message=said,
        )

    def plan(self, resource: Resource, observed: Sight, now: float) -> planning.JobPlan:
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        job = resource.identity
        match action:
            case sight.Reserve(adopted):
                if not self._take(resource, adopted):
                    raise Later(planning.WAIT_SECONDS, "another job took the last place")
            case sight.Download():
                self.errands.begin(job, "download", lambda: self.intake.bring(resource))
            case sight.Start():
                self.errands.begin(job, "start", lambda: self.launch.start(resource))
            case sight.Watch():
                self.errands.repeat(job, "watch", lambda: self.log.look(resource))
                self.errands.repeat(job, "synchronise", lambda: self.continuous.push_settled(resource))
            case Upload(completed):
                self.errands.begin(job, "upload", lambda: self._upload(resource, completed))
            case sight.Signal(number):
                await asyncio.to_thread(self._signal, JobFolder.all(self.jobs, resource), number)
            case sight.Forget(errand):
                self.errands.forget(job, errand)
            case sight.Remove():
                await self._remove(resource)

    async def adopt(self) -> None:
        """Gives every job that runs what it has, before the first look at any: who waits must not get it."""
        rows = await self.store.read(lambda transaction: transaction.resources.unsettled([self.kind]))
        for identity, _ in rows:
            row = await self.store.read(partial(_row, identity))
            if row is not None and self._was_given(row):
                self._take(row, adopted=True)

    async def reset(self) -> None:
        """Ends every errand and gives back every place of a processing job."""
        await self.errands.close()
        self.slots.forget(prefix(self.kind))

    async def close(self) -> None:
        """Ends what runs in this process; containers go on."""
        await self.errands.close()

    def _look(self, found: tuple[JobFolder, ...]) -> tuple[tuple[Instance, ...], Failure | None, ExitMessage]:
        """The message counts only once all have ended: until then it may still be written."""
        containers = tuple(self.runtime.observe(folder.run) for folder in found)
        over = all(container.state in ("exited", "lost") for container in containers)
        # A container says nothing of its failure but its message, which is no sign of when it failed.
        return containers, first_failure(containers, found, ""), message.read(found) if over else SILENT

    def _signal(self, found: tuple[JobFolder, ...], number: int) -> None:
        for folder in found:
            self.runtime.signal(folder.run, number)

    def _waiting(self, resource: Resource) -> str:
        """Only who will take places stands in line for them."""
        if resource.state in (*TERMINAL, "Deleting") or "Outcome" in resource.status.get("Run", {}):
            return ""
        return self.slots.ask(key(resource), gpus.need(resource.spec), lambda: self.errands.told(resource.identity))

    def _was_given(self, resource: Resource) -> bool:
        """Whether its containers run, or may do so at any moment: what they are to have is written down."""
        states = {self.runtime.observe(folder.run).state for folder in JobFolder.all(self.jobs, resource)}
        return "running" in states or (states == {"missing"} and any(all_given(self.jobs, resource)))

    def _take(self, resource: Resource, adopted: bool) -> bool:
        """An adopted job goes on with the GPUs that it was given."""
        given = all_given(self.jobs, resource) if adopted else ()
        devices = given if any(given) else None
        need = gpus.need(resource.spec)
        return self.slots.take(key(resource), need, adopted, devices, lambda: self.errands.told(resource.identity))

    async def _upload(self, resource: Resource, completed: bool) -> None:
        """Log before status: whoever sees the end sees every line."""
        for name in ("watch", "synchronise"):
            await self.errands.finish(resource.identity, name)
        await self.log.look_last(resource)
        self.delivery.check(resource)
        await self.continuous.push_last(resource)
        if completed:
            await self.delivery.send(resource)

    async def _remove(self, resource: Resource) -> None:
        await self.errands.cancel(resource.identity)
        await asyncio.to_thread(self._remove_folders, resource)
        self.continuous.forget(resource)
        await self.log.forget(resource)
        self.slots.give_back(key(resource))

    def _remove_folders(self, resource: Resource) -> None:
        for folder in JobFolder.all(self.jobs, resource):
            self.runtime.remove(folder.run)
        self.runtime.remove(network_folder(self.jobs, resource))
        with suppress(OSError):
            job_folder(self.jobs, resource).rmdir()


def _row(identity: Identity, transaction: Transaction) -> Resource | None:
    return transaction.resources.get(*identity)
