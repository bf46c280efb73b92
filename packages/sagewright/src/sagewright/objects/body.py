"""An object on its way here, read into memory that is there already."""

from __future__ import annotations

from contextlib import suppress

from sagewright.objects.origin import OriginAnswer


class ObjectBody:
    """The body of an answer. Close it when it is not wanted any more; at its end the connection is kept for the next."""

    def __init__(self, answer: OriginAnswer) -> None:
        self._parts = answer.parts
        self._direct = answer.parts.direct()
        self._left = memoryview(b"")

    async def fill(self, memory: memoryview) -> None:
        """The next bytes; there must be so many. Raises ConnectionError."""
        try:
            if self._direct is not None:
                await self._direct.read_into(memory)
            else:
                await self._fill_from_parts(memory)
        except TimeoutError as silent:
            raise ConnectionError("S3 did not answer in time") from silent

    async def close(self) -> None:
        """May be called again."""
        direct, self._direct = self._direct, None
        if direct is not None:
            direct.close()
        await self._parts.aclose()

    async def _fill_from_parts(self, memory: memoryview) -> None:
        at = 0
        while at < len(memory):
            if not self._left:
                self._left = memoryview(await self._next())
            count = min(len(memory) - at, len(self._left))
            memory[at : at + count] = self._left[:count]
            self._left = self._left[count:]
            at += count

    async def _next(self) -> bytes:
        with suppress(StopAsyncIteration):
            return await anext(self._parts)
        raise ConnectionError("S3 sent less than it said")
