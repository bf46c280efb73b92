"""Stays with one running container: asks for its health and carries its log lines over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from sagewright.compute.http_replica import HttpReplica
from sagewright.compute.replica import Address, Unsent
from sagewright.compute.replicas import open_replica
from sagewright.serving.preflight import Transcript
from sagewright.signals.tail import Source, follow
from sagewright.store.database import Store
from sagewright.store.rows import Stale

_LOG = logging.getLogger(__name__)

PING_SECONDS = 2.0
"""Developer Guide, your-algorithms-inference-code: a container answers a ping within 2 seconds."""
FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.25
"""A container that comes up is asked often at first: a built-in algorithm is there in a few tens of milliseconds."""
STEADY_PAUSE = 10.0
TAIL_PAUSE = 1.0


class Attendant:
    """Runs until it is closed. ``told`` is called when the container passes its first health check."""

    def __init__(self, store: Store, source: Source, address: Address, told: Callable[[], None]) -> None:
        self._store = store
        self._source = source
        self._replica = open_replica(address)
        self._told = told
        port = f"port {address.port}" if address.protocol == "http" else "the frames socket"
        self.transcript = Transcript(port)
        self._heard = time.monotonic()
        self.healthy = False
        self._tasks = [asyncio.create_task(self._ping()), asyncio.create_task(self._tail())]
        for task in self._tasks:
            task.add_done_callback(self._report)

    @property
    def silent(self) -> float:
        """Seconds since the last good health check, or since it is asked."""
        return time.monotonic() - self._heard

    async def close(self) -> None:
        """Ends it; the container goes on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._replica.close()

    def _report(self, task: asyncio.Task[None]) -> None:
        """Both go on for ever: an end that is no cancellation is a bug."""
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("nobody attends %s any more", self._source.file.parent, exc_info=task.exception())

    async def _ping(self) -> None:
        pause = FIRST_PAUSE
        while True:
            problem = await self._asked()
            if not problem:
                self._heard = time.monotonic()
                if not self.healthy:
                    self.healthy = True
                    self._told()
                pause = STEADY_PAUSE
            elif not self.healthy:
                self.transcript.note(problem)
                pause = min(pause * 1.15, LONGEST_PAUSE)
            await asyncio.sleep(pause)

    async def _asked(self) -> str:
        """One health check; what is wrong, or ""."""
        if not isinstance(self._replica, HttpReplica):
            return "" if await self._replica.ping(PING_SECONDS) else "not ready"
        try:
            status = (await self._replica.get("/ping", PING_SECONDS)).status
        except TimeoutError:
            return f"no answer within {PING_SECONDS:.0f} s"
        except Unsent:
            return "nobody listens"
        except ConnectionError as broken:
            return str(broken)
        return "" if status == 200 else f"answered {status}"

    async def _tail(self) -> None:
        while True:
            try:
                await follow(self._store, self._source)
            except Stale:
                _LOG.debug("somebody else follows %s, too", self._source.file)
            await asyncio.sleep(TAIL_PAUSE)
