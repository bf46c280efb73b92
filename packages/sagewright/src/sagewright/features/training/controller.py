"""The controller of training jobs: looks, asks plan.py, and has the work done by its parts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sagewright.compute.placement import Slots
from sagewright.compute.runtime import Observed as Instance
from sagewright.compute.runtime import Runtime
from sagewright.features.training import channels, sight
from sagewright.features.training import plan as planning
from sagewright.features.training.delivery import Delivery
from sagewright.features.training.intake import Intake
from sagewright.features.training.progress import TERMINAL
from sagewright.features.training.sight import Action, Failure, Sight
from sagewright.features.training.watch import Watch
from sagewright.jobs.blame import first_failure
from sagewright.jobs.folder import JobFolder, job_folder, key, network_folder, prefix
from sagewright.jobs.instances import instances
from sagewright.jobs.launch import Launch
from sagewright.jobs.log import notices
from sagewright.kernel.controller import Later
from sagewright.kernel.errands import Errands
from sagewright.store.rows import Resource


@dataclass(slots=True)
class TrainingController:
    """See kernel.controller.Controller."""

    runtime: Runtime
    jobs: Path
    slots: Slots
    errands: Errands
    intake: Intake
    launch: Launch
    watch: Watch
    delivery: Delivery
    kind: str = "TrainingJob"

    async def observe(self, resource: Resource) -> Sight:
        """Errands are looked at before the containers: one that has just ended cannot hide what it did."""
        job = resource.identity
        download, start, upload = (self.errands.look(job, name) for name in ("download", "start", "upload"))
        containers, failure = await asyncio.to_thread(self._look, JobFolder.all(self.jobs, resource))
        return Sight(
            instances=containers,
            failure=failure,
            placed=self.slots.holds(key(resource)),
            waiting=self._waiting(resource),
            download=download,
            start=start,
            upload=upload,
            metrics=await self.watch.metrics(resource),
            notice=" ".join(notices(resource)),
            copying=await self._copying(resource),
        )

    def plan(self, resource: Resource, observed: Sight, now: float) -> planning.JobPlan:
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        job = resource.identity
        match action:
            case sight.Reserve(adopted):
                if not self.slots.take(key(resource), _places(resource), adopted):
                    raise Later(planning.WAIT_SECONDS, "another job took the last place")
            case sight.Download():
                self.errands.begin(job, "download", lambda: self.intake.bring(resource))
            case sight.Start():
                self.errands.begin(job, "start", lambda: self.launch.start(resource))
            case sight.Watch():
                self.errands.repeat(job, "watch", lambda: self.watch.look(resource))
                self.errands.repeat(job, "synchronise", lambda: self.watch.synchronise(resource))
            case sight.Upload(with_model):
                self.errands.begin(job, "upload", lambda: self._upload(resource, with_model))
            case sight.Signal(number):
                await asyncio.to_thread(self._signal, JobFolder.all(self.jobs, resource), number)
            case sight.Forget(errand):
                self.errands.forget(job, errand)
            case sight.Remove():
                await self._remove(resource)

    async def reset(self) -> None:
        """Ends every errand and gives back every place of a training job."""
        await self.errands.close()
        self.slots.forget(prefix(self.kind))

    async def close(self) -> None:
        """Ends what runs in this process; containers go on."""
        await self.errands.close()
        await self.watch.scraper.close()

    def _look(self, found: tuple[JobFolder, ...]) -> tuple[tuple[Instance, ...], Failure | None]:
        containers = tuple(self.runtime.observe(folder.run) for folder in found)
        return containers, first_failure(containers, found, "output/failure")

    async def _copying(self, resource: Resource) -> str:
        """Finding out takes a moment, once; few jobs want to know."""
        if not channels.streams(resource.spec):
            return ""
        return await asyncio.to_thread(lambda: self.runtime.without_file_systems)

    def _signal(self, found: tuple[JobFolder, ...], number: int) -> None:
        for folder in found:
            self.runtime.signal(folder.run, number)

    def _waiting(self, resource: Resource) -> str:
        """Only who will take places stands in line for them."""
        if resource.state in (*TERMINAL, "Deleting") or "Outcome" in resource.status.get("Run", {}):
            return ""
        return self.slots.ask(key(resource), _places(resource), lambda: self.errands.told(resource.identity))

    async def _upload(self, resource: Resource, with_model: bool) -> None:
        for name in ("watch", "synchronise"):
            await self.errands.finish(resource.identity, name)
        await self.watch.look_last(resource)
        await self.delivery.send(resource, with_model)

    async def _remove(self, resource: Resource) -> None:
        await self.errands.cancel(resource.identity)
        await asyncio.to_thread(self._remove_folders, resource)
        await self.watch.forget(resource)
        self.slots.give_back(key(resource))

    def _remove_folders(self, resource: Resource) -> None:
        for folder in JobFolder.all(self.jobs, resource):
            self.runtime.remove(folder.run)
        self.runtime.remove(network_folder(self.jobs, resource))
        with suppress(OSError):
            job_folder(self.jobs, resource).rmdir()


def _places(resource: Resource) -> int:
    return len(instances(resource.spec["ResourceConfig"]))
