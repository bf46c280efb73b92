"""Copies of invocations for shadow variants, off the request's path: nobody waits for them and nobody sees their answers.

At most so many copies of a shadow variant, and so many of their bytes, are under way; what comes on top is dropped and counted. So
a shadow that is slow or dead costs the endpoint nothing (DG model-shadow-deployment).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter

from sagewright.compute.replica import Answer, Broken, Unsent
from sagewright.front.capture import Capture, CapturePlan
from sagewright.front.counters import Counters
from sagewright.front.routes import NOWHERE, Variant

MOST_COPIES = 64
MOST_BYTES = 64 * 1024 * 1024


class Mirror:
    """Sends the copies; ``timeout`` in seconds is that of the calls themselves. ``capture`` keeps what shadows answer."""

    def __init__(self, counters: Counters, timeout: float, capture: Capture | None = None) -> None:
        self._counters = counters
        self._capture = capture
        self._timeout = timeout
        self._under_way: dict[tuple[str, str], list[int]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def copy(
        self, endpoint: str, shadow: Variant, headers: Mapping[str, str], body: bytes, plan: CapturePlan | None = None
    ) -> None:
        """Of one call to ``endpoint`` (its route key), if its turn has come and there is room for it; captured by ``plan``."""
        if not shadow.sampled():
            return
        sizes = self._under_way.setdefault((endpoint, shadow.name), [])
        if len(sizes) >= MOST_COPIES or sum(sizes) + len(body) > MOST_BYTES:
            self._counters.dropped(endpoint, shadow.name, shadow.config)
            return
        sizes.append(len(body))
        task = asyncio.create_task(self._send(endpoint, shadow, headers, body, plan))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Waits until every copy has been answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _send(
        self, endpoint: str, shadow: Variant, headers: Mapping[str, str], body: bytes, plan: CapturePlan | None
    ) -> None:
        try:
            answer = await self._ask(endpoint, shadow, headers, body)
            if answer is not None and 200 <= answer.status < 300 and plan is not None and self._capture is not None:
                self._capture.take(endpoint, shadow.name, plan, headers, body, answer)
        finally:
            sizes = self._under_way[endpoint, shadow.name]
            sizes.remove(len(body))
            if not sizes:
                del self._under_way[endpoint, shadow.name]

    async def _ask(self, endpoint: str, shadow: Variant, headers: Mapping[str, str], body: bytes) -> Answer | None:
        started = perf_counter()
        place = NOWHERE
        for replica in shadow.by_load():
            if shadow.places:
                place = shadow.places.get(replica.address, NOWHERE)
            sent = perf_counter()
            try:
                answer = await replica.invoke(headers, body, self._timeout)
            except Unsent:
                continue
            except (Broken, TimeoutError):
                break
            answered = perf_counter()
            took = answered - sent, sent - started
            self._counters.answered(endpoint, shadow.name, answer.status, *took, shadow.config, place.instance)
            return answer
        self._counters.unanswered(endpoint, shadow.name, shadow.config, place.instance)
        return None
