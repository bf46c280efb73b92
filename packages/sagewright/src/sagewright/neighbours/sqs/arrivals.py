"""Tells those who wait for a message that one may be there: long polling without asking again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from sagewright.kernel.operation import Context
from sagewright.signals.queues import MESSAGE
from sagewright.store.database import Store
from sagewright.store.rows import Identity

Place = tuple[str, str]


class Arrival:
    """Set when something happened to a message of the queue."""

    def __init__(self) -> None:
        self._happened = asyncio.Event()

    def happened(self) -> None:
        """Somebody wrote."""
        self._happened.set()

    async def within(self, seconds: float) -> None:
        """Until something happens, or so long."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._happened.wait()
        except TimeoutError:
            return


class Arrivals:
    """Who waits, by region and name of the queue. The store is listened to as soon as somebody waits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[Place, set[Arrival]] = {}
        self._listens = False

    @contextmanager
    def watch(self, context: Context, url: str) -> Iterator[Arrival]:
        """From now on nothing that is written is missed."""
        if not self._listens:
            self._listens = True
            self._store.listen(self._written)
        place = (context.world.region, urlsplit(url).path.rpartition("/")[2])
        arrival = Arrival()
        self._waiting.setdefault(place, set()).add(arrival)
        try:
            yield arrival
        finally:
            self._waiting[place].discard(arrival)
            if not self._waiting[place]:
                del self._waiting[place]

    def _written(self, identity: Identity) -> None:
        world, kind, key = identity
        if kind == MESSAGE:
            for arrival in self._waiting.get((world.region, key.partition("/")[0]), ()):
                arrival.happened()
