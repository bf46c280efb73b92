"""An object of S3 as a file that is read from front to back, fetched in pieces ahead of the reader: nothing of it lies on disk."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

from sagewright.objects.s3 import Objects, Stored

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

AHEAD = 3
"""Pieces that wait to be read; with the one that comes and the one that is read they are what an input takes of memory."""
AWAY_SECONDS = 2.0

Piece = bytes | memoryview
End = OSError | None
"""After the last piece: why there are no more, or None."""


class ObjectFile(io.RawIOBase):
    """Make and abandon it on the event loop, read it on a thread.

    While S3 is away it is asked again, for ever, and the object goes on where it broke off. Reading raises FileNotFoundError,
    PermissionError, and OSError when the object is not any more what it was when it was listed.
    """

    def __init__(self, objects: Objects, stored: Stored) -> None:
        super().__init__()
        self._objects = objects
        self._stored = stored
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[Piece | End] = asyncio.Queue(AHEAD)
        self._left = memoryview(b"")
        self._ended = False
        self._fetching = self._loop.create_task(self._fetch())

    def readable(self) -> bool:
        """It is for reading only."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """See io.RawIOBase."""
        if not self._left and not self._ended:
            self._left = memoryview(self._next())
            self._ended = not self._left
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._left))
        target[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def abandon(self) -> None:
        """Fetches no more; a reader that waits gets ValueError."""
        self._fetching.cancel()

    def _next(self) -> Piece:
        piece = asyncio.run_coroutine_threadsafe(self._take(), self._loop).result()
        if isinstance(piece, OSError):
            self._ended = True
            raise piece
        return b"" if piece is None else piece

    async def _take(self) -> Piece | End:
        coming = asyncio.ensure_future(self._pieces.get())
        await asyncio.wait((coming, self._fetching), return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            if self._fetching.cancelled():
                coming.cancel()
                raise ValueError("the object is not read any more")
            if problem := self._fetching.exception():
                coming.cancel()
                raise problem
        return await coming

    async def _fetch(self) -> None:
        at = 0
        while at < self._stored.size:
            try:
                async for piece in self._objects.stream(self._stored, at):
                    at += len(piece)
                    await self._pieces.put(piece)
            except ConnectionError:
                await asyncio.sleep(AWAY_SECONDS)
            except OSError as problem:
                await self._pieces.put(problem)
                return
        await self._pieces.put(None)
