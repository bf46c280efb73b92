"""Keeps the front awake through the short waits of an invocation, as hypervisors and their guests do (Linux, "guest halt polling").

Between two packets of a call that comes alone the processor would halt; on a virtual machine waking it, with cold caches, costs as much again
as what the front has to do. So the event loop polls through a wait that is likely to be short: one whose last ones were, while no other call
is under way, and not for longer. Nobody is to be kept from work by it: when the processor went to somebody else in between, nothing is polled
for a while.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from time import perf_counter

_PROVEN = 4
"""Short waits in a row before the next one is polled."""
_AWAY = 0.001
"""Seconds between two looks after which somebody else had the processor."""
_RETREAT = 10.0
"""Seconds without polling then."""


class HaltPolling:
    """The event loop of one front; every method is told the time, in seconds of ``clock``."""

    __slots__ = ("_after", "_answer", "_call", "_clock", "_looked", "_loop", "_until", "longest", "polls", "under_way")

    def __init__(self, longest: float = 0.0, clock: Callable[[], float] = perf_counter) -> None:
        """``longest``: seconds that one wait is polled at most. A lone processor is never kept from whoever is waited for."""
        self.longest = longest if len(os.sched_getaffinity(0)) > 1 else 0.0
        self.polls = False
        self.under_way = 0
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._answer = _Wait()
        self._call = _Wait()
        self._until = self._looked = self._after = 0.0

    def called(self, now: float) -> None:
        """A call has come."""
        self.under_way += 1
        if self.under_way == 1:
            self._call.ends(now, self.longest)

    def asked(self, now: float) -> None:
        """Its container is asked."""
        if self.under_way == 1:
            self._begin(self._answer, now)

    def answered(self, now: float) -> None:
        """The container has answered."""
        if self.under_way == 1:
            self._answer.ends(now, self.longest)

    def done(self, now: float) -> None:
        """The call is over, however it ended."""
        self.under_way -= 1
        if not self.under_way:
            self._begin(self._call, now)

    def _begin(self, wait: _Wait, now: float) -> None:
        wait.began = now
        if wait.short < _PROVEN:
            self._until = 0.0
            return
        self._until = now + self.longest
        if not self.polls and now >= self._after:
            self.polls, self._looked = True, now
            self._loop = self._loop or asyncio.get_running_loop()
            self._loop.call_soon(self._poll)

    def _poll(self) -> None:
        """Between two looks of the event loop at its sockets; a loop with something to do does not sleep."""
        now = self._clock()
        if now - self._looked > _AWAY:
            self._after = now + _RETREAT
        self._looked = now
        self.polls = self.under_way < 2 and now < self._until and now >= self._after
        if self.polls and self._loop is not None:
            self._loop.call_soon(self._poll)


class _Wait:
    """Waits of one kind: for a container's answer, or for a client's next call."""

    __slots__ = ("began", "short")

    def __init__(self) -> None:
        self.began = 0.0
        self.short = 0

    def ends(self, now: float, longest: float) -> None:
        self.short = self.short + 1 if now - self.began <= longest else 0
