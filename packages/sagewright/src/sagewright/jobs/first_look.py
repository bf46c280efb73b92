"""The first Describe of a young job waits for the job's end, some seconds at most: the SDKs look again only after 5 to 30 seconds."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field

from sagewright.compute.way_back import SESSION
from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Context, Handler
from sagewright.store.rows import Document, Resource
from sagewright.wire.credentials import assumed_role_arn

YOUNG_SECONDS = 60.0
"""A Describe this long after the Create is not its first any more."""
REMEMBERED = 10_000


@dataclass(slots=True)
class FirstLook:
    """``seconds`` is how long a look may wait at most; 0 never waits. ``ended`` are the states of a job that is over.

    ``derived`` is the kind's Describe as it follows from the service model.
    """

    engine: Engine
    kind: str
    seconds: float
    ended: Collection[str]
    derived: Handler
    held: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    async def describe(self, context: Context, request: Document) -> Document:
        """Waits if this is the caller's first look at a young job."""
        catalog = self.engine.catalog
        row = await self.engine.store.read(
            lambda transaction: catalog.find(transaction, context.world, catalog[self.kind], request)
        )
        if self.seconds > 0 and context.now - row.created < YOUNG_SECONDS and self._first(context, row):
            await self._until_ended(row)
        return await self.derived(context, request)

    def _first(self, context: Context, row: Resource) -> bool:
        """Whether this caller has not been held for this job yet. A job that looks at itself must not wait for its own end."""
        if context.caller.arn == assumed_role_arn(row.spec["RoleArn"], SESSION):
            return False
        key = (context.caller.access_key, f"{row.arn} {row.created}")
        if key in self.held:
            return False
        self.held[key] = None
        if len(self.held) > REMEMBERED:
            self.held.popitem(last=False)
        return True

    async def _until_ended(self, row: Resource) -> None:
        seen: Resource | None = row
        deadline = asyncio.get_running_loop().time() + self.seconds
        while seen is not None and seen.state not in self.ended:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or not await self.engine.store.changed(row.identity, left, seen.version):
                return
            seen = await self.engine.get(row.world, row.kind, row.key)
