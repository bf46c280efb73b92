"""An object of S3 as a file that is read from front to back, fetched in pieces ahead of the reader: nothing of it lies on disk."""

from __future__ import annotations

import asyncio
import io
from collections import deque
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from sagewright.objects.patience import patiently
from sagewright.objects.s3 import Objects, Stored

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE = 4 * 1024 * 1024
AHEAD = 3
"""Pieces that are fetched or wait to be read; with the one that is being read they are what an input takes of memory."""

Piece = bytes | memoryview


class ObjectFile(io.RawIOBase):
    """Make and abandon it on the event loop, read it on a thread.

    A piece that S3 does not give for now is asked for again, for ever. Reading raises FileNotFoundError, PermissionError, and OSError
    when the object is not any more what it was when it was listed.
    """

    def __init__(self, objects: Objects, stored: Stored, piece: int = PIECE) -> None:
        super().__init__()
        self._objects = objects
        self._stored = stored
        self._size = piece
        self._loop = asyncio.get_running_loop()
        self._asked = 0
        self._coming: deque[asyncio.Task[Piece]] = deque()
        self._left = memoryview(b"")
        self._fetch()

    def readable(self) -> bool:
        """It is for reading only."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """See io.RawIOBase."""
        if not self._left:
            self._left = memoryview(self._next())
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._left))
        target[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def abandon(self) -> None:
        """Fetches no more; a reader that waits gets ValueError."""
        for task in self._coming:
            task.cancel()

    def _next(self) -> Piece:
        try:
            return asyncio.run_coroutine_threadsafe(self._take(), self._loop).result()
        except CancelledError as abandoned:
            raise ValueError("the object is not read any more") from abandoned

    async def _take(self) -> Piece:
        if not self._coming:
            return b""
        try:
            return await self._coming[0]
        finally:
            self._coming.popleft()
            self._fetch()

    def _fetch(self) -> None:
        while len(self._coming) < AHEAD and self._asked < self._stored.size:
            start, self._asked = self._asked, min(self._asked + self._size, self._stored.size)
            self._coming.append(self._loop.create_task(self._piece(start, self._asked)))

    async def _piece(self, start: int, stop: int) -> Piece:
        async def read() -> Piece:
            return await self._objects.read_range(self._stored, start, stop)

        return await patiently(read)
