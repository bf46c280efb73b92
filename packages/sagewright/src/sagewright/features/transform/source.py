"""An object of S3 as a file that is read from front to back, straight into the reader's memory: nothing of it lies on disk."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

from sagewright.objects.body import ObjectBody
from sagewright.objects.s3 import Objects, Stored

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

AWAY_SECONDS = 2.0


class ObjectFile(io.RawIOBase):
    """Make and abandon it on the event loop, read it on a thread.

    One request brings all of it; what the reader has not asked for yet waits in the buffers of sockets. While S3 is away it is asked
    again, for ever, and the object goes on where it broke off. Reading raises FileNotFoundError, PermissionError, and OSError when
    the object is not any more what it was when it was listed; ValueError when it was abandoned.
    """

    def __init__(self, objects: Objects, stored: Stored) -> None:
        super().__init__()
        self._objects = objects
        self._stored = stored
        self._loop = asyncio.get_running_loop()
        self._at = 0
        self._body: ObjectBody | None = None
        self._reading: asyncio.Task[None] | None = None
        self._abandoned = False

    def readable(self) -> bool:
        """It is for reading only."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """See io.RawIOBase; fewer bytes only at the end."""
        memory = memoryview(buffer).cast("B")[: self._stored.size - self._at]
        if memory:
            try:
                asyncio.run_coroutine_threadsafe(self._take(memory), self._loop).result()
            except OSError:
                self._at = self._stored.size
                raise
            self._at += len(memory)
        return len(memory)

    async def abandon(self) -> None:
        """Fetches no more; a reader that waits gets ValueError."""
        self._abandoned = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
        await self._close()

    async def _take(self, memory: memoryview) -> None:
        if self._abandoned:
            raise ValueError("the object is not read any more")
        self._reading = asyncio.ensure_future(self._fill(memory))
        await asyncio.wait({self._reading})
        if self._reading.cancelled():
            raise ValueError("the object is not read any more")
        self._reading.result()

    async def _fill(self, memory: memoryview) -> None:
        while True:
            try:
                if self._body is None:
                    self._body = await self._objects.open(self._stored, self._at)
                await self._body.fill(memory)
                return
            except ConnectionError:
                await self._close()
                await asyncio.sleep(AWAY_SECONDS)

    async def _close(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            await body.close()
