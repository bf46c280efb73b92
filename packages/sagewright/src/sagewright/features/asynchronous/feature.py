"""Asynchronous endpoints as one part: what the composition root makes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sagewright.base.world import World
from sagewright.compute import trees
from sagewright.compute.replica import Address, Replica
from sagewright.compute.replicas import open_replica
from sagewright.features.asynchronous import measures
from sagewright.features.asynchronous.dispatcher import Dispatcher
from sagewright.features.asynchronous.invocation import Invocations
from sagewright.features.asynchronous.operations import AsynchronousOperations, Routes
from sagewright.kernel.engine import Engine
from sagewright.kernel.feature import Feature
from sagewright.kernel.operation import Operations
from sagewright.objects.s3 import Objects
from sagewright.store.database import Store, Transaction

METRICS_SECONDS = 10.0
"""Between two measurements of the queues; AWS's are a minute apart."""
_log = logging.getLogger(__name__)

Published = Callable[[], Iterable[tuple[World, str, Mapping[str, Any]]]]
"""Every endpoint in the route snapshot: world, name, entry."""


class Asynchronous(Feature):
    """``routes`` and ``published`` show the route snapshot; ``folder`` is for payloads on their way."""

    def __init__(
        self,
        store: Store,
        objects: Objects,
        routes: Routes,
        published: Published,
        folder: Path,
        connect: Callable[[Address], Replica] = open_replica,
    ) -> None:
        self._store = store
        self._routes = routes
        self._published = published
        self._folder = folder
        invocations = Invocations(store, objects, folder)
        self.dispatcher = Dispatcher(store, routes, invocations.answer, invocations.drop, connect)
        self._meter: asyncio.Task[None] | None = None

    def register(self, engine: Engine, operations: Operations) -> None:
        written = AsynchronousOperations(self._store, self._routes, self.dispatcher.accept)
        operations.write("sagemaker-runtime", "InvokeEndpointAsync", written.invoke)

    async def open(self) -> None:
        """Takes up what an earlier control has left."""
        await asyncio.to_thread(trees.remove, self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        await self.dispatcher.open()
        self._meter = asyncio.create_task(self._measure(), name="asynchronous-meter")

    async def reset(self) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends what runs in this process; the next control takes it up."""
        if self._meter is not None:
            self._meter.cancel()
            with suppress(asyncio.CancelledError):
                await self._meter
        await self.dispatcher.close()

    async def measure(self) -> None:
        """Writes how every queue is now, empty ones too: scaling in needs the zeros."""
        found = [(world, name, entry) for world, name, entry in self._published() if entry.get("async")]
        if found:
            await self._store.write(partial(self._put, found, self._store.clock.now()))

    async def _measure(self) -> None:
        while True:
            await asyncio.sleep(METRICS_SECONDS)
            try:
                await self.measure()
            except Exception:  # noqa: BLE001 - the next look may succeed
                _log.exception("the queues of asynchronous endpoints could not be measured")

    def _put(self, found: list[tuple[World, str, Mapping[str, Any]]], now: float, transaction: Transaction) -> None:
        for world, name, entry in found:
            queue = self.dispatcher.queue(world, name)
            oldest = min((ticket.accepted for ticket in queue.waiting), default=now)
            measures.put_backlog(
                transaction,
                world,
                name,
                now,
                backlog=len(queue),
                instances=sum(len(variant["replicas"]) for variant in entry["variants"]),
                oldest=max(0.0, now - oldest),
            )
