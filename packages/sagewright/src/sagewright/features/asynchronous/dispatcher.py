"""Hands waiting requests to containers, the oldest first, and as many at a time as the endpoint's configuration says.

The queue itself is in the store; what is here is an index of it, made anew at every start. A request leaves the store in the
transaction that tells its outcome, so whatever dies before that finds it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from sagewright.base.world import World
from sagewright.compute.replica import Address, Replica
from sagewright.compute.replicas import open_replica
from sagewright.features.asynchronous.capacity import Capacity, Instance
from sagewright.features.asynchronous.operations import Routes
from sagewright.features.asynchronous.request import REQUEST, Ticket
from sagewright.store.database import Store

LOOK = 0.5
"""Seconds between two looks while something waits: routes change and requests expire without a word."""
TROUBLE_PAUSE = 1.0
LONGEST_PAUSE = 60.0
_log = logging.getLogger(__name__)


class Again(Exception):
    """The request is not to blame and keeps its place: S3 is away, or its container was taken from it."""


Work = Callable[[Ticket, Instance], Awaitable[None]]
Drop = Callable[[Ticket, str], Awaitable[None]]


@dataclass(slots=True)
class Queue:
    """What waits for one endpoint, and who works for it."""

    waiting: deque[Ticket] = field(default_factory=deque)
    running: dict[str, Ticket] = field(default_factory=dict)
    capacity: Capacity = field(default_factory=Capacity)
    expired_at: float = 0.0
    """When it was last looked at for requests that have expired."""

    def __len__(self) -> int:
        return len(self.waiting) + len(self.running)


class Dispatcher:
    """``work`` answers a request with a container or raises Again; ``drop`` ends one that nobody will answer, as "Expired" or "Deleted"."""

    def __init__(
        self, store: Store, routes: Routes, work: Work, drop: Drop, connect: Callable[[Address], Replica] = open_replica
    ) -> None:
        self._store = store
        self._routes = routes
        self._work = work
        self._drop = drop
        self._connect = connect
        self._queues: dict[tuple[World, str], Queue] = {}
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Takes up everything that was accepted and not answered."""
        rows = await self._store.read(lambda transaction: transaction.resources.unsettled([REQUEST]))
        for (world, _, key), expires in sorted(rows, key=lambda found: found[0][2].partition("/")[2]):
            self._queue(world, key.partition("/")[0]).waiting.append(Ticket(world, key, expires, recovered=True))
        self._wake.set()
        self._runner = asyncio.create_task(self._run(), name="asynchronous-dispatcher")

    async def close(self) -> None:
        """Stops in the middle of whatever is being done: the next start takes it up."""
        tasks = [*self._tasks, *([self._runner] if self._runner else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        for queue in self._queues.values():
            queue.capacity.close()
        self._queues.clear()
        self._runner = None

    def accept(self, ticket: Ticket) -> None:
        """One more, which is in the store."""
        self._queue(ticket.world, ticket.endpoint).waiting.append(ticket)
        self._wake.set()

    def queue(self, world: World, endpoint: str) -> Queue:
        """What there is of an endpoint."""
        return self._queues.get((world, endpoint)) or Queue()

    def _queue(self, world: World, endpoint: str) -> Queue:
        return self._queues.setdefault((world, endpoint), Queue(capacity=Capacity(self._connect)))

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                for (world, endpoint), queue in list(self._queues.items()):
                    await self._look(world, endpoint, queue)
            except Exception:  # noqa: BLE001 - the queue must outlive whatever the store is going through
                _log.exception("the queue of asynchronous requests cannot be looked at; it is tried again")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK if self._queues else None):
                    await self._wake.wait()

    async def _look(self, world: World, endpoint: str, queue: Queue) -> None:
        route, now = self._routes(world, endpoint), self._store.clock.now()
        queue.capacity.follow(route)
        self._expire(queue, now)
        if route is None and queue.waiting:
            await self._forget_deleted(world, endpoint, queue)
        while (ticket := _ready(queue, now)) is not None and (instance := queue.capacity.free()) is not None:
            queue.waiting.remove(ticket)
            instance.running += 1
            self._begin(queue, ticket, self._answer(queue, ticket, instance))
        if not len(queue) and not queue.capacity.instances:
            del self._queues[world, endpoint]

    def _expire(self, queue: Queue, now: float) -> None:
        if now < queue.expired_at + LOOK:
            return
        queue.expired_at = now
        for ticket in [ticket for ticket in queue.waiting if ticket.expires <= now]:
            queue.waiting.remove(ticket)
            self._begin(queue, ticket, self._drop(ticket, "Expired"))

    async def _forget_deleted(self, world: World, endpoint: str, queue: Queue) -> None:
        """An endpoint that is gone, or is another one by now, answers nothing any more."""
        row = await self._store.read(lambda transaction: transaction.resources.get(world, "Endpoint", endpoint))
        for ticket in [ticket for ticket in queue.waiting if row is None or row.created > ticket.accepted]:
            queue.waiting.remove(ticket)
            self._begin(queue, ticket, self._drop(ticket, "Deleted"))

    def _begin(self, queue: Queue, ticket: Ticket, work: Awaitable[None]) -> None:
        queue.running[ticket.key] = ticket
        task = asyncio.create_task(self._guarded(queue, ticket, work), name=f"asynchronous {ticket.key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, queue: Queue, ticket: Ticket, instance: Instance) -> None:
        try:
            await self._work(ticket, instance)
        finally:
            instance.running -= 1

    async def _guarded(self, queue: Queue, ticket: Ticket, work: Awaitable[None]) -> None:
        """Puts a request back into its place when it could not be answered through no fault of its own."""
        try:
            await work
        except Again as reason:
            _log.info("asynchronous request %s: again: %s", ticket.key, reason)
            self._return(queue, ticket)
        except Exception:  # noqa: BLE001 - a bug of ours must not lose a request
            _log.exception("asynchronous request %s failed", ticket.key)
            self._return(queue, ticket)
        finally:
            queue.running.pop(ticket.key, None)
            self._wake.set()

    def _return(self, queue: Queue, ticket: Ticket) -> None:
        ticket.troubles += 1
        ticket.recovered = True
        pause = min(LONGEST_PAUSE, TROUBLE_PAUSE * 2.0 ** min(ticket.troubles - 1, 10))
        ticket.not_before = self._store.clock.now() + pause
        queue.waiting.appendleft(ticket)


def _ready(queue: Queue, now: float) -> Ticket | None:
    return next((ticket for ticket in queue.waiting if ticket.not_before <= now), None)
