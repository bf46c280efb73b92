"""The listener: accepts connections, ends those that take too long, stops without cutting answers."""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

from sagewright.front.connection import Connection, Connections
from sagewright.front.exchange import Application, Patience

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"


class Server:
    """An HTTP/1.1 server for one application. Use: ``start``, then ``stop``; both once."""

    def __init__(self, application: Application, patience: Patience | None = None, connections: int = 4096) -> None:
        """``connections`` is the most clients served at a time; one more is answered 503."""
        self._application = application
        self._patience = patience or Patience()
        self._limit = connections
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._shared: Connections | None = None

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Listens and returns the port (port 0 takes a free one). Raises OSError when the address is taken.

        ``reuse_port`` lets several front processes share the port (SO_REUSEPORT); left off for one process, so that a
        second server on the same port fails instead of silently taking half of the requests.
        """
        self._shared = Connections(self._application, self._patience)
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._connect, host, port, reuse_port=reuse_port or None, backlog=1024)
        self._sweeper = loop.create_task(self._sweep(self._shared))
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self, grace: float = 10.0) -> None:
        """Accepts nobody more, lets answers under way finish for ``grace`` seconds, then cuts."""
        if self._listener is None or self._shared is None or self._sweeper is None:
            return
        self._listener.close()
        self._shared.closing = True
        self._shared.emptied.clear()
        for connection in list(self._shared.open):
            connection.retire()
        if self._shared.open:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._shared.emptied.wait(), grace)
        for connection in list(self._shared.open):
            connection.abort()
        self._sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeper

    def _connect(self) -> asyncio.BaseProtocol:
        assert self._shared is not None
        if len(self._shared.open) >= self._limit:
            return _Full()
        return Connection(self._shared)

    @staticmethod
    async def _sweep(shared: Connections) -> None:
        while True:
            await asyncio.sleep(min(1.0, shared.patience.head / 4))
            now = shared.loop.time()
            for connection in list(shared.open):
                connection.expire(now)


class _Full(asyncio.Protocol):
    """The connection of a client that finds no place."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writer = cast(asyncio.Transport, transport)
        writer.write(_FULL)
        writer.close()
