"""What a training job may expect of the machine and of the account: places, a warm pool, GPUs, its price, when its instances go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sagewright.compute.placement import Machine
from sagewright.compute.slots import Slots
from sagewright.features.training import quotas, warm_pool
from sagewright.features.training.pools import Pools
from sagewright.jobs import gpus
from sagewright.jobs.folder import key
from sagewright.store.database import Store
from sagewright.store.rows import Resource

CAPACITY = "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
"""AWS's words; the Python SDK raises CapacityError for them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """``limited``: quotas count and GPUs are not replaced by CPUs, as on AWS. ``spot_price`` is the share of the full price.

    ``interruptions``: the n-th attempt of every spot job loses its instances after so many seconds; later ones keep them.
    """

    limited: bool = False
    spot_price: float = 0.3
    interruptions: tuple[float, ...] = ()

    def interrupt_after(self, interruptions: int) -> float | None:
        """How long an attempt that follows so many interruptions may last; None: for ever."""
        return self.interruptions[interruptions] if interruptions < len(self.interruptions) else None


NO_LIMITS = Terms()


@dataclass(frozen=True, slots=True)
class Prospects:
    """Looks things up for the controller's observe; members of a Sight by name."""

    store: Store
    slots: Slots
    pools: Pools
    machine: Machine
    terms: Terms

    async def of(self, resource: Resource) -> dict[str, Any]:
        """What is to be said about a job that has not ended."""
        spec, run = resource.spec, resource.status.get("Run", {})
        notices = gpus.notices(spec, self.machine)
        spot = bool(spec.get("EnableManagedSpotTraining"))
        waits = resource.state == "InProgress" and "Stream" not in run
        return {
            "notice": " ".join(dict.fromkeys(notices.values())),
            "refusal": CAPACITY if self.terms.limited and notices else "",
            "reclaimed": self.slots.reclaimed(key(resource)),
            "interrupt_after": self.terms.interrupt_after(run.get("Interruptions", 0)) if spot else None,
            "pool": self.pools.match(resource) if waits and "Pool" not in run else "",
            "pool_soon": waits and "Pool" not in run and self.pools.expects(resource),
            "keeps": waits and bool(warm_pool.keep_alive(spec)) and await self._may_keep(resource),
            "price": self.terms.spot_price if spot else 1.0,
        }

    async def _may_keep(self, resource: Resource) -> bool:
        """DG train-warm-pools-resource-limits: without room in the quota for warm pools none is kept."""
        if not self.terms.limited or "Pool" in resource.status.get("Run", {}):
            return True
        return await self.store.read(lambda transaction: quotas.has_room_for_pool(transaction, resource))
