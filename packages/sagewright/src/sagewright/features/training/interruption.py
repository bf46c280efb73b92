"""Taking away the instances of a managed spot training job on request (``sagewright interrupt``), as AWS does when it needs them."""

from __future__ import annotations

from dataclasses import replace

from sagewright.base.world import World
from sagewright.features.training import leaving
from sagewright.store.database import Store, Transaction

KIND = "TrainingJob"


class NotInterruptible(Exception):
    """Nothing can be taken away from this job; the text says why."""


async def interrupt(store: Store, world: World, name: str) -> None:
    """Raises NotInterruptible. Doing it again while the instances go changes nothing."""

    def work(transaction: Transaction) -> None:
        row = transaction.resources.get(world, KIND, name)
        if row is None:
            raise NotInterruptible(f"there is no training job named {name}")
        if not row.spec.get("EnableManagedSpotTraining"):
            raise NotInterruptible(f"{name} is no managed spot training job: its instances cannot be taken away")
        if "Leaving" in row.status.get("Run", {}):
            return
        if not leaving.can_be_interrupted(row.spec, row.status):
            raise NotInterruptible(f"{name} has no instances that could be taken away: it is {row.status['SecondaryStatus']}")
        now = store.clock.now()
        changed = leaving.interrupted(row.status, leaving.COMMANDED)
        transaction.resources.save(replace(row, status=changed, modified=now, due=now))

    await store.write(work)
