"""Removes expired log events: a controller of the log groups that have a retention."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright.kernel.controller import Later, Plan
from sagewright.signals import logs
from sagewright.store.database import Store
from sagewright.store.rows import Resource

INTERVAL = 3600.0
"""Seconds between two looks at a group."""


@dataclass(frozen=True, slots=True)
class Expire:
    """Removes what has expired by this time (epoch seconds)."""

    now: float


class LogRetention:
    """Looks at every group that has a retention once an hour; a group without one is settled."""

    kind = logs.GROUP_KIND

    def __init__(self, store: Store) -> None:
        self._store = store

    async def observe(self, resource: Resource) -> None:
        """Nothing: the plan depends on the time alone."""

    def plan(self, resource: Resource, observed: None, now: float) -> Plan[Expire]:
        """Expire now and again in an hour."""
        if "retentionInDays" not in resource.spec:
            return Plan()
        return Plan((Expire(now),), due=now + INTERVAL)

    async def perform(self, resource: Resource, action: Expire) -> None:
        """Removes a bounded number of streams' events per transaction, and raises Later while there are more."""
        removed = await self._store.write(lambda transaction: logs.expire(transaction, resource, action.now))
        if removed:
            raise Later(0.0, "there may be more expired events")
