"""An answer whose body is produced while it is sent: S3 objects and response streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sagewright.compute.replica import Chunks
from sagewright.wire.http import Response


class Parts(Protocol):
    """The parts of a body, in order; ``aclose`` gives back what producing them holds. An async generator is one, but beware:
    closing a generator that never started runs none of its code."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None: ...


@dataclass(slots=True)
class Streamed:
    """A status, headers and a body in parts.

    With a ``Content-Length`` among the headers the parts must add up to it, without one they go out chunked. The server
    takes the next part only when the client has room, and closes the parts when the client goes away. A part that cannot
    be produced raises; the connection is then cut, because the status is already with the client.
    """

    status: int
    headers: list[tuple[str, str]]
    parts: Parts


Answer: TypeAlias = Response | Streamed


class Events:
    """The parts of a streamed answer; lets go of the container also when the client left before the first."""

    def __init__(self, events: AsyncGenerator[bytes, None], chunks: Chunks) -> None:
        self._events = events
        self._chunks = chunks

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._events)

    async def aclose(self) -> None:
        await self._events.aclose()
        self._chunks.close()
