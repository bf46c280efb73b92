"""A request body that is read while it arrives, so that an object of any size passes in little memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

HIGH_WATER = 512 * 1024
"""Bytes kept for a slow reader before the client is told to wait (by not reading its socket)."""


class Body:
    """The parts of one request body. Filled by the connection, read by one consumer."""

    __slots__ = ("_done", "_ended", "_failure", "_on_room", "_on_wanted", "_parts", "_waiter", "size")

    def __init__(self, on_wanted: Callable[[], None], on_room: Callable[[], None]) -> None:
        """``on_wanted`` is called at the first read (100-continue), ``on_room`` when a full buffer has been emptied."""
        self._parts: deque[bytes] = deque()
        self._on_wanted: Callable[[], None] | None = on_wanted
        self._on_room = on_room
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._done = False
        self._failure: Exception | None = None
        self.size = 0

    @classmethod
    def of(cls, whole: bytes) -> Body:
        """A body that is there already."""
        body = cls(_nothing, _nothing)
        if whole:
            body.feed(whole)
        body.end()
        return body

    async def read(self) -> bytes:
        """The next part, b"" at the end. Raises ConnectionResetError when the client went away before the end, a Fault when
        it sent nonsense or nothing for too long."""
        if self._on_wanted is not None:
            wanted, self._on_wanted = self._on_wanted, None
            wanted()
        while not self._parts:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        part = self._parts.popleft()
        was_full = self.full
        self.size -= len(part)
        if was_full and not self.full:
            self._on_room()
        return part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await self.read():
            yield part

    async def gather(self, limit: int) -> bytes | None:
        """The whole body, or None when it is longer than ``limit`` bytes."""
        parts: list[bytes] = []
        room = limit
        while part := await self.read():
            room -= len(part)
            if room < 0:
                return None
            parts.append(part)
        return b"".join(parts)

    @property
    def full(self) -> bool:
        return self.size > HIGH_WATER

    @property
    def awaited(self) -> bool:
        """Whether a reader waits for the client."""
        return self._waiter is not None and not self._waiter.done()

    def feed(self, part: bytes) -> None:
        self._parts.append(part)
        self.size += len(part)
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def fail(self, reason: Exception) -> None:
        self._failure = reason
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _nothing() -> None:
    pass
