"""Removes messages that nobody has received for longer than their queue keeps them: a controller of the queues."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright.kernel.controller import Plan
from sagewright.signals import queues
from sagewright.store.database import Store
from sagewright.store.rows import Resource

INTERVAL = 600.0
"""Seconds between two looks at a queue; a message that has expired is not handed out before that either."""


@dataclass(frozen=True, slots=True)
class Expire:
    """Removes what was sent before then (epoch seconds)."""

    before: float


class QueueRetention:
    """Looks at every queue from time to time."""

    kind = queues.QUEUE

    def __init__(self, store: Store) -> None:
        self._store = store

    async def observe(self, resource: Resource) -> None:
        """Nothing: the plan depends on the time alone."""

    def plan(self, resource: Resource, observed: None, now: float) -> Plan[Expire]:
        """Expire now and again later."""
        return Plan((Expire(now - queues.setting(resource, "MessageRetentionPeriod")),), due=now + INTERVAL)

    async def perform(self, resource: Resource, action: Expire) -> None:
        """A second time finds nothing."""
        await self._store.write(lambda transaction: queues.clear(transaction, resource, action.before))
