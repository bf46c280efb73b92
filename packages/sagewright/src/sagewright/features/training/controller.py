"""The controller of training jobs: looks, asks plan.py, and has the work done by its parts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sagewright.compute.runtime import Observed as Instance
from sagewright.compute.runtime import Runtime
from sagewright.compute.slots import Slots
from sagewright.features.training import channels, sight, steps, warm_pool
from sagewright.features.training import plan as planning
from sagewright.features.training.delivery import Delivery
from sagewright.features.training.intake import Intake
from sagewright.features.training.progress import TERMINAL
from sagewright.features.training.prospects import Prospects
from sagewright.features.training.sight import Action, Failure, Sight
from sagewright.features.training.watch import Watch
from sagewright.jobs import gpus
from sagewright.jobs.blame import first_failure
from sagewright.jobs.devices import all_given
from sagewright.jobs.folder import JobFolder, job_folder, key, network_folder, prefix
from sagewright.jobs.launch import Launch
from sagewright.kernel.controller import Later
from sagewright.kernel.errands import Errands
from sagewright.store.database import Transaction
from sagewright.store.rows import Identity, Resource


@dataclass(slots=True)
class TrainingController:
    """See kernel.controller.Controller."""

    runtime: Runtime
    jobs: Path
    slots: Slots
    prospects: Prospects
    errands: Errands
    intake: Intake
    launch: Launch
    watch: Watch
    delivery: Delivery
    kind: str = "TrainingJob"

    async def observe(self, resource: Resource) -> Sight:
        """Errands are looked at before the containers: one that has just ended cannot hide what it did."""
        if resource.state in (*TERMINAL, "Deleting"):
            return Sight()  # the row alone says what is left to do
        job, ends = resource.identity, resource.status.get("Run", {}).keys() & {"Outcome", "Leaving"}
        download, start, save, upload = (self.errands.look(job, name) for name in ("download", "start", "save", "upload"))
        containers, failure = await asyncio.to_thread(self._look, JobFolder.all(self.jobs, resource))
        return Sight(
            instances=containers,
            failure=failure,
            placed=self.slots.holds(key(resource)),
            waiting=self._waiting(resource),
            download=download,
            start=start,
            save=save,
            upload=upload,
            metrics=await self.watch.metrics(resource) if ends else (),
            copying=await self._copying(resource),
            **await self.prospects.of(resource),
        )

    def plan(self, resource: Resource, observed: Sight, now: float) -> steps.JobPlan:
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        job = resource.identity
        match action:
            case sight.Reserve(adopted):
                if not self._take(resource, adopted):
                    raise Later(steps.WAIT_SECONDS, "another job took the last place")
            case sight.Download():
                self.errands.begin(job, "download", lambda: self.intake.bring(resource))
            case sight.Start():
                self.errands.begin(job, "start", lambda: self.launch.start(resource))
            case sight.Watch():
                self.errands.repeat(job, "watch", lambda: self.watch.look(resource))
                self.errands.repeat(job, "synchronise", lambda: self.watch.synchronise(resource))
            case sight.Save():
                self.errands.begin(job, "save", lambda: self._look_last(resource))
            case sight.Upload(with_model):
                self.errands.begin(job, "upload", lambda: self._upload(resource, with_model))
            case sight.Signal(number):
                await asyncio.to_thread(self._signal, JobFolder.all(self.jobs, resource), number)
            case sight.Forget(errand):
                self.errands.forget(job, errand)
            case sight.Announce():
                self.prospects.pools.announce(resource)
            case sight.Claim(other):
                await self._claim(resource, other)
            case sight.Reset() | sight.Keep() | sight.Remove():
                await self._clear(resource, action)

    async def adopt(self) -> None:
        """Gives every job that runs what it has, before the first look at any: who waits must not get it."""
        store = self.prospects.store
        rows = await store.read(lambda transaction: transaction.resources.unsettled([self.kind]))
        for identity, _ in rows:
            row = await store.read(partial(_row, identity))
            if row is not None and (warm_pool.status_of(row.status) == warm_pool.AVAILABLE or self._was_given(row)):
                self._take(row, adopted=True)

    async def reset(self) -> None:
        """Ends every errand and gives back every place of a training job."""
        await self.errands.close()
        self.slots.forget(prefix(self.kind))
        self.prospects.pools.clear()

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

    def _waiting(self, resource: Resource) -> str:
        """Only who will take places stands in line for them."""
        if resource.status.get("Run", {}).keys() & {"Outcome", "Leaving"}:
            return ""
        return self.slots.ask(key(resource), gpus.need(resource.spec), lambda: self.errands.told(resource.identity))

    async def _claim(self, resource: Resource, other: str) -> None:
        """What the other job held in memory follows what the rows say."""
        pools = self.prospects.pools
        old = replace(resource, key=other)
        if await pools.claim(resource, other, self.prospects.store.clock.now()):
            self.slots.pass_on(key(old), key(resource))
        pools.withdraw(old)

    async def _look_last(self, resource: Resource) -> None:
        for name in ("watch", "synchronise"):
            await self.errands.finish(resource.identity, name)
        await self.watch.look_last(resource)

    async def _upload(self, resource: Resource, with_model: bool) -> None:
        await self._look_last(resource)
        await self.delivery.send(resource, with_model)

    async def _clear(self, resource: Resource, action: sight.Reset | sight.Keep | sight.Remove) -> None:
        """Nothing of the containers is left; of a warm pool that is kept, the cache and the places are."""
        pools = self.prospects.pools
        await self.errands.cancel(resource.identity)
        await asyncio.to_thread(self._remove_folders, resource, stashing=not isinstance(action, sight.Remove))
        await self.watch.forget(resource)
        if isinstance(action, sight.Keep):
            self._take(resource, adopted=True)
            pools.offer(resource)
            return
        self.slots.give_back(key(resource))
        if isinstance(action, sight.Remove):
            pools.withdraw(resource)
            await asyncio.to_thread(pools.drop, resource)

    def _remove_folders(self, resource: Resource, stashing: bool) -> None:
        if stashing:
            self.prospects.pools.stash(resource)
        for folder in JobFolder.all(self.jobs, resource):
            self.runtime.remove(folder.run)
        self.runtime.remove(network_folder(self.jobs, resource))
        with suppress(OSError):
            job_folder(self.jobs, resource).rmdir()


def _row(identity: Identity, transaction: Transaction) -> Resource | None:
    return transaction.resources.get(*identity)
