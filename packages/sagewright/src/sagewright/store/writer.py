"""The one writer: works that wait at the same time share one commit, each in a savepoint of its own.

On SQLite the works run on the event loop's thread (some ten microseconds each) and only the commit, which waits for the disk
without holding Python's lock, runs in a thread. In the thread, every statement of a work would have to win Python's lock back
from a busy loop, up to its switch interval (5 ms) each time. On Postgres every statement waits for the server: all run in the
thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sagewright.store.driver import Driver
from sagewright.store.rows import Identity
from sagewright.store.sql import Session

Work = Callable[[Session], tuple[Any, list[Identity]]]
"""Does its writes and returns its result with the rows it changed."""

BATCH_SECONDS = 0.005
"""How long works run before the commit; the event loop serves nobody else meanwhile."""


@dataclass(slots=True)
class _Waiting:
    """A work, and the future of who asked for it."""

    work: Work
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None
    touched: list[Identity] = field(default_factory=list)


class Writer:
    """Runs works one after another in the order they came; ``tell`` hears of the changed rows after each commit."""

    def __init__(self, driver: Driver, tell: Callable[[list[Identity]], None]) -> None:
        self._driver = driver
        self._tell = tell
        self._session = driver.writer()
        self._queue: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def submit(self, work: Work) -> asyncio.Future[Any]:
        """Resolves with the work's result when it is durable, or with the work's exception when it was undone."""
        if self._closed:
            raise RuntimeError("the store is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._queue.append(_Waiting(work, future))
        if self._task is None:
            self._task = loop.create_task(self._drain())
        return future

    async def close(self) -> None:
        """Finishes what was accepted."""
        self._closed = True
        if self._task is not None:
            await self._task
        self._thread.shutdown()
        self._driver.close(self._session)

    async def _drain(self) -> None:
        try:
            while self._queue:
                await self._batch()
        finally:
            self._task = None

    async def _batch(self) -> None:
        done: list[_Waiting] = []
        loop = asyncio.get_running_loop()
        try:
            if self._driver.inline:
                if self._perform(done):
                    await loop.run_in_executor(self._thread, self._driver.commit, self._session)
            else:
                await loop.run_in_executor(self._thread, self._perform_and_commit, done)
        except Exception as error:  # noqa: BLE001 - the callers get it: nothing of this batch is durable
            self._undo()
            _fail(done, error)
        else:
            self._finish(done)

    def _perform_and_commit(self, done: list[_Waiting]) -> None:
        if self._perform(done):
            self._driver.commit(self._session)

    def _perform(self, done: list[_Waiting]) -> bool:
        """Runs waiting works for a while; they are in ``done`` before anything can go wrong. True when there is something to commit."""
        until = time.monotonic() + BATCH_SECONDS
        if self._driver.lost(self._session):
            self._session = self._driver.writer()
        begun = False
        while self._queue and (not done or time.monotonic() < until):
            waiting = self._queue.popleft()
            if waiting.future.cancelled():
                continue
            done.append(waiting)
            if not begun:
                self._driver.begin_write(self._session)
                begun = True
            self._attempt(waiting)
        self._session.run_deferred()
        return begun

    def _attempt(self, waiting: _Waiting) -> None:
        deferred = len(self._session.deferred)
        self._session.text("SAVEPOINT work", {})
        try:
            waiting.result, waiting.touched = waiting.work(self._session)
        except Exception as error:
            if self._driver.lost(self._session):
                raise
            # A future cannot carry StopIteration.
            waiting.error = RuntimeError("the work raised StopIteration") if isinstance(error, StopIteration) else error
            self._session.text("ROLLBACK TO SAVEPOINT work", {})
            del self._session.deferred[deferred:]
        self._session.text("RELEASE SAVEPOINT work", {})

    def _undo(self) -> None:
        self._session.deferred.clear()
        self._driver.rollback(self._session)

    def _finish(self, done: list[_Waiting]) -> None:
        for waiting in done:
            if waiting.future.done():
                continue
            if waiting.error is not None:
                waiting.future.set_exception(waiting.error)
            else:
                waiting.future.set_result(waiting.result)
        self._tell([identity for waiting in done if waiting.error is None for identity in waiting.touched])


def _fail(done: list[_Waiting], error: BaseException) -> None:
    for waiting in done:
        if not waiting.future.cancelled():
            waiting.future.set_exception(error)
