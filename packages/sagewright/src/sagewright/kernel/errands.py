"""Long work beside the loop of the controllers: transfers and starts, so that a row whose work takes an hour can still be looked at.

An errand lives in memory only. What it achieved lies on disk, so the next control simply begins it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from sagewright.store.rows import Identity, Stale

log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]
Key = tuple[Identity, str]

BUG = "InternalServerError: We encountered an internal error. Please try again."
ATTEMPTS = 5
"""How often an errand with an unexpected error may be begun: hours of training may hang on it."""


class ErrandFailed(Exception):
    """The work cannot be done and will not be later; the text is for the user, a FailureReason."""


@dataclass(frozen=True, slots=True)
class Errand:
    """How far an errand is; after a restart every one is absent again.

    ``problem`` is a text for the user when it failed. ``retry``: nothing is wrong with the request, it may be begun once more.
    """

    state: Literal["absent", "running", "done", "failed"] = "absent"
    problem: str = ""
    retry: bool = False


ABSENT = Errand()


class Errands:
    """Errands by row and name. ``told`` is called with the row's identity when one ends that was begun.

    Besides ErrandFailed, exceptions of the ``refusals`` types speak to the user; any other one is a bug and goes to the log.
    """

    def __init__(self, told: Callable[[Identity], None], refusals: tuple[type[Exception], ...] = ()) -> None:
        self.told = told
        self._refusals: tuple[type[Exception], ...] = (ErrandFailed, *refusals)
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._bugs: Counter[Key] = Counter()

    def begin(self, identity: Identity, name: str, work: Work) -> None:
        """Starts the work unless it runs or has ended already."""
        if (identity, name) not in self._tasks:
            self._start(identity, name, work).add_done_callback(lambda task: self._tell((identity, name), task))

    def renew(self, identity: Identity, name: str, work: Work) -> None:
        """Starts the work unless it runs; how it ended before is forgotten."""
        self.forget(identity, name)
        self.begin(identity, name, work)

    def repeat(self, identity: Identity, name: str, work: Work) -> None:
        """The same for work of which nobody waits for the end."""
        self.forget(identity, name)
        if (identity, name) not in self._tasks:
            self._start(identity, name, work)

    def look(self, identity: Identity, name: str) -> Errand:
        """How it stands; absent when nobody has begun it since this process started."""
        task = self._tasks.get((identity, name))
        if task is None:
            return ABSENT
        if not task.done():
            return Errand("running")
        if task.cancelled():
            return Errand("failed", "Cancelled.", retry=True)
        return self._ended(task.exception(), self._bugs[identity, name])

    def forget(self, identity: Identity, name: str) -> None:
        """Drops the outcome of one that has ended."""
        task = self._tasks.get((identity, name))
        if task is not None and task.done():
            del self._tasks[identity, name]

    async def finish(self, identity: Identity, name: str) -> None:
        """Waits for one that runs; its outcome is dropped."""
        task = self._tasks.get((identity, name))
        if task is not None:
            await asyncio.wait([task])
            self.forget(identity, name)

    async def cancel(self, identity: Identity, name: str | None = None) -> None:
        """Ends and drops one errand of a row, or all of them."""
        await self._end([key for key in self._tasks if key[0] == identity and name in (None, key[1])])
        for key in [key for key in self._bugs if key[0] == identity and name in (None, key[1])]:
            del self._bugs[key]

    async def close(self) -> None:
        """Ends everything; the next control begins it again."""
        await self._end(list(self._tasks))

    def _start(self, identity: Identity, name: str, work: Work) -> asyncio.Task[None]:
        task = asyncio.create_task(_run(work), name=f"{name} of {identity[1]} {identity[2]}")
        task.add_done_callback(lambda _: self._note((identity, name), task))
        self._tasks[identity, name] = task
        return task

    def _ended(self, error: BaseException | None, bugs: int) -> Errand:
        if error is None:
            return Errand("done")
        if isinstance(error, self._refusals):
            return Errand("failed", str(error))
        if isinstance(error, ConnectionError):
            return Errand("failed", "The object store cannot be reached.", retry=True)
        return Errand("failed", BUG, retry=bugs < ATTEMPTS)

    def _note(self, key: Key, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, (*self._refusals, ConnectionError, Stale)):
            log.info("%s: %s", task.get_name(), error)
        elif error is not None:
            self._bugs[key] += 1
            log.error("%s failed", task.get_name(), exc_info=error)

    def _tell(self, key: Key, task: asyncio.Task[None]) -> None:
        """Nobody waits to hear of one that was dropped."""
        if self._tasks.get(key) is task:
            self.told(key[0])

    async def _end(self, keys: list[Key]) -> None:
        tasks = [self._tasks.pop(key) for key in keys]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _run(work: Work) -> None:
    await work()
