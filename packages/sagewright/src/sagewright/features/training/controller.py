"""The controller of training jobs: looks, asks plan.py, and has the work done, most of it by jobs/workshop.py."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from sagewright.features.training import channels, moves, sight, warm_pool
from sagewright.features.training import plan as planning
from sagewright.features.training.metrics import Metrics
from sagewright.features.training.pools import Pools
from sagewright.features.training.prospects import Prospects
from sagewright.features.training.sight import Action, Sight
from sagewright.jobs.folder import key
from sagewright.jobs.workshop import Workshop
from sagewright.store.rows import Resource


@dataclass(slots=True)
class TrainingController:
    """See kernel.controller.Controller."""

    workshop: Workshop
    prospects: Prospects
    metrics: Metrics
    kind: str = "TrainingJob"

    async def observe(self, resource: Resource) -> Sight:
        if self.workshop.is_over(resource):
            return Sight()
        save = self.workshop.errands.look(resource.identity, "save")  # before the containers, as of every errand
        common = await self.workshop.look(resource)
        ends = resource.status.get("Run", {}).keys() & {"Outcome", "Leaving"}
        return Sight.beside(
            common,
            save=save,
            metrics=await self.metrics.final(self.workshop.following.log, resource) if ends else (),
            copying=await self._copying(resource),
            **await self.prospects.of(resource),
        )

    def plan(self, resource: Resource, observed: Sight, now: float) -> moves.JobPlan:
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        match action:
            case sight.Save():
                self.workshop.errands.begin(resource.identity, "save", lambda: self.workshop.look_last(resource))
            case sight.Announce():
                self._pools.announce(resource)
            case sight.Claim(other):
                await self._claim(resource, other)
            case sight.Reset():
                await self.workshop.clear(resource, self._pools.stash)
                self.workshop.give_back(resource)
            case sight.Keep():
                await self.workshop.clear(resource, self._pools.stash)
                self.workshop.take(resource, adopted=True)
                self._pools.offer(resource)
            case sight.Remove():
                await self.workshop.perform(resource, action)
                self._pools.withdraw(resource)
                await asyncio.to_thread(self._pools.drop, resource)
            case _:
                await self.workshop.perform(resource, action)

    async def adopt(self) -> None:
        """Gives every job and every warm pool what it has, before the first look at any."""
        await self.workshop.adopt(lambda row: warm_pool.status_of(row.status) == warm_pool.AVAILABLE)

    async def reset(self) -> None:
        """Ends every errand and gives back every place of a training job."""
        await self.workshop.reset()
        self._pools.clear()

    async def close(self) -> None:
        """Ends what runs in this process; containers go on."""
        await self.workshop.close()
        await self.metrics.close()

    async def _copying(self, resource: Resource) -> str:
        """Finding out takes a moment, once; few jobs want to know."""
        if not channels.streams(resource.spec):
            return ""
        return await asyncio.to_thread(lambda: self.workshop.runtime.without_file_systems)

    async def _claim(self, resource: Resource, other: str) -> None:
        """What the other job held in memory follows what the rows say."""
        old = replace(resource, key=other)
        if await self._pools.claim(resource, other, self.prospects.store.clock.now()):
            self.workshop.slots.pass_on(key(old), key(resource))
        self._pools.withdraw(old)

    @property
    def _pools(self) -> Pools:
        return self.prospects.pools
