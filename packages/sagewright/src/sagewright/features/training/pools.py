"""The warm pools that are available now, and how a job takes one over.

Which there are is known in memory only: after a restart each is offered again when its row, which stays due, is looked at. Whose a
pool is lies in the rows: both are written in one transaction, so a pool has one owner whatever dies when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sagewright.base import folders
from sagewright.compute import trees
from sagewright.features.training import warm_pool
from sagewright.jobs.folder import JobFolder
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Identity, Resource


@dataclass(slots=True)
class Pools:
    """``offered``: by the job that has ended, what its instances are like; ``coming``: of jobs that are ending this moment."""

    store: Store
    jobs: Path
    offered: dict[Identity, tuple[Any, ...]] = field(default_factory=dict)
    coming: dict[Identity, tuple[Any, ...]] = field(default_factory=dict)

    def announce(self, resource: Resource) -> None:
        """The row of a job is about to say that its instances are available, before its folders are put away."""
        self.coming[resource.identity] = warm_pool.kind_of_instances(resource.spec)

    def offer(self, resource: Resource) -> None:
        """The instances of a job that has ended may be taken over."""
        self.offered[resource.identity] = warm_pool.kind_of_instances(resource.spec)
        self.coming.pop(resource.identity, None)

    def withdraw(self, resource: Resource) -> None:
        """They may not any more."""
        self.offered.pop(resource.identity, None)
        self.coming.pop(resource.identity, None)

    def clear(self) -> None:
        """Forgets all of them."""
        self.offered.clear()
        self.coming.clear()

    def match(self, resource: Resource) -> str:
        """The key of a job whose pool fits this one; empty when there is none."""
        return _fitting(self.offered, resource)

    def expects(self, resource: Resource) -> bool:
        """Whether there will be one in a moment."""
        return bool(_fitting(self.coming, resource))

    async def claim(self, resource: Resource, other: str, now: float) -> bool:
        """Makes the pool of the job ``other`` this job's; False when it is not to be had any more. Raises Stale."""

        def work(transaction: Transaction) -> bool:
            old = transaction.resources.get(resource.world, resource.kind, other)
            if old is None or warm_pool.status_of(old.status) != warm_pool.AVAILABLE or now >= old.status["Run"]["Until"]:
                return False
            new = warm_pool.taken_over(resource.status, old.status["Run"]["Pool"])
            over = warm_pool.reused(old.status, resource.name, now)
            transaction.resources.save(replace(resource, status=new, modified=now))
            transaction.resources.save(replace(old, status=over, modified=now, due=now))
            return True

        return await self.store.write(work)

    def stash(self, resource: Resource) -> None:
        """Takes the persistent caches out of the folders of containers that have ended."""
        if pool := self._folder(resource):
            for job in JobFolder.all(self.jobs, resource):
                folders.move_out(job.ml, warm_pool.CACHE, pool / job.run.name)

    def bring(self, resource: Resource) -> None:
        """Puts them into the folders of containers that have not begun; makes empty ones for a first job."""
        pool = self._folder(resource)
        if pool is None and not warm_pool.keep_alive(resource.spec):
            return
        for job in JobFolder.all(self.jobs, resource):
            mark = job.mark("warm-pool")
            if mark.exists():
                continue  # a container may have run there since, and what it left as a folder may be a link
            target = job.ml / warm_pool.CACHE
            target.parent.mkdir(parents=True, exist_ok=True)
            if pool is not None and (pool / job.run.name).exists():
                (pool / job.run.name).rename(target)
            target.mkdir(exist_ok=True)
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()

    def drop(self, resource: Resource) -> None:
        """Deletes the caches, unless another job has the pool by now."""
        pool = self._folder(resource)
        if pool is not None and warm_pool.status_of(resource.status) != warm_pool.REUSED:
            trees.remove(pool)

    def _folder(self, resource: Resource) -> Path | None:
        run: Mapping[str, Any] = resource.status.get("Run", {})
        if "Pool" not in run:
            return None
        return self.jobs / "warm-pool" / resource.world.account / resource.world.region / str(run["Pool"])


def _fitting(pools: Mapping[Identity, tuple[Any, ...]], resource: Resource) -> str:
    if not pools or not warm_pool.may_reuse(resource.spec):
        return ""
    wanted = warm_pool.kind_of_instances(resource.spec)
    return next((key for (world, _, key), kind in pools.items() if world == resource.world and kind == wanted), "")
