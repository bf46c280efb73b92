"""A raw HTTP/1.1 client of one S3 server, with kept-alive connections.

Written on httptools (origin_connection.py) because general clients buffer bodies or cost more than the exchange itself. Bodies stream both
ways: a part is sent when the server has room and read when the consumer asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from sagewright.objects.direct import Direct
from sagewright.objects.origin_connection import Headers, OriginConnection, StaleConnectionError

Dial: TypeAlias = Callable[[], Awaitable[socket.socket]]
"""Gives a connected, non-blocking stream socket; raises OSError."""

__all__ = ["Dial", "Headers", "Origin", "OriginAnswer", "OriginParts", "dial_tcp"]


class OriginParts:
    """The body of an answer; run it to the end or close it. Raises ConnectionError when the server broke off."""

    __slots__ = ("_connection", "_give")

    def __init__(self, connection: OriginConnection, give: Callable[[OriginConnection], None]) -> None:
        self._connection: OriginConnection | None = connection
        self._give = give

    def __aiter__(self) -> OriginParts:
        return self

    async def __anext__(self) -> bytes:
        if self._connection is None:
            raise StopAsyncIteration
        part = await self._connection.read()
        if not part:
            await self.aclose()
            raise StopAsyncIteration
        return part

    def direct(self) -> Direct | None:
        """The rest of the body without us, which is then at its end; None when it is not there as it is (TLS, chunks) or is all here."""
        connection = self._connection
        if connection is None or (diverted := connection.divert()) is None:
            return None
        self._connection = None
        received, source = diverted

        def give(left: int) -> None:
            connection.settle(left)
            self._give(connection)

        return Direct(received, connection.left, source, connection.patience, give)

    async def aclose(self) -> None:
        """Gives the connection back for the next exchange, or cuts it when the body is not all read."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._give(connection)


@dataclass(slots=True)
class OriginAnswer:
    """An answer whose body is still on the way."""

    status: int
    headers: Headers
    parts: OriginParts

    def header(self, name: str) -> str:
        """Value of a header (name in lower case), "" when absent."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises ConnectionError when it is longer than ``limit`` bytes."""
        parts: list[bytes] = []
        room = limit
        async with contextlib.aclosing(self.parts) as stream:
            async for part in stream:
                room -= len(part)
                if room < 0:
                    raise ConnectionError("the answer is longer than expected")
                parts.append(part)
        return b"".join(parts)


class Origin:
    """Exchanges with one server. ConnectionError: it cannot be reached or breaks off; TimeoutError: it is silent."""

    def __init__(self, dial: Dial, tls_name: str = "", patience: float = 120.0, keep: int = 32, idle: float = 30.0) -> None:
        """``tls_name``: the name its certificate must have ("" speaks plain HTTP); ``patience``: seconds of silence
        it is allowed; ``keep``: idle connections kept, each for ``idle`` seconds."""
        self._dial = dial
        self._tls_name = tls_name
        self._tls = ssl.create_default_context() if tls_name else None
        self._patience = patience
        self._keep = keep
        self._idle = idle
        self._pool: deque[tuple[float, OriginConnection]] = deque()

    async def exchange(self, method: str, target: str, headers: Headers, body: bytes | AsyncIterator[bytes]) -> OriginAnswer:
        """Sends a request and returns when the head of the answer is there. ``headers`` must hold Host and the body's framing
        (Content-Length or Transfer-Encoding: chunked). An exception of ``body`` cuts the connection and is raised here.

        A body that can be read only once goes over a fresh connection: a kept one may turn out to be closed.
        """
        head = _request_head(method, target, headers)
        chunked = any(name.lower() == "transfer-encoding" for name, _ in headers)
        connection = self._take() if isinstance(body, bytes) else None
        if connection is not None:
            with contextlib.suppress(StaleConnectionError):
                return await self._on(connection, method, head, body, chunked)
        return await self._on(await self._connect(), method, head, body, chunked)

    async def close(self) -> None:
        """Closes the idle connections."""
        while self._pool:
            self._pool.pop()[1].close()

    async def _on(
        self, connection: OriginConnection, method: str, head: bytes, body: bytes | AsyncIterator[bytes], chunked: bool
    ) -> OriginAnswer:
        done = False
        try:
            await connection.ask(method, head, body, chunked)
            done = True
        finally:
            if not done:
                connection.close()
        return OriginAnswer(connection.status, connection.headers, OriginParts(connection, self._give))

    def _take(self) -> OriginConnection | None:
        oldest = asyncio.get_running_loop().time() - self._idle
        while self._pool and self._pool[0][0] < oldest:
            self._pool.popleft()[1].close()
        while self._pool:
            connection = self._pool.pop()[1]
            if connection.reusable:
                return connection
        return None

    def _give(self, connection: OriginConnection) -> None:
        if connection.reusable and len(self._pool) < self._keep:
            self._pool.append((asyncio.get_running_loop().time(), connection))
        else:
            connection.close()

    async def _connect(self) -> OriginConnection:
        try:
            connected = await self._dial()
        except OSError as refused:
            raise ConnectionError(f"cannot be reached: {refused.strerror or refused}") from refused
        if connected.family in (socket.AF_INET, socket.AF_INET6):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: OriginConnection(self._patience), sock=connected, ssl=self._tls, server_hostname=self._tls_name or None
            )
        except BaseException as failure:
            connected.close()
            if isinstance(failure, OSError):
                raise ConnectionError(f"no secure connection: {failure}") from failure
            raise
        return connection


def dial_tcp(host: str, port: int) -> Dial:
    """Dials a TCP address."""

    async def dial() -> socket.socket:
        loop = asyncio.get_running_loop()
        family, kind, protocol, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
        fresh = socket.socket(family, kind, protocol)
        fresh.setblocking(False)
        try:
            await loop.sock_connect(fresh, address)
        except BaseException:
            fresh.close()
            raise
        return fresh

    return dial


def _request_head(method: str, target: str, headers: Headers) -> bytes:
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") != len(headers) or "\n" in target or " " in target:
        raise ValueError("a header or the target holds a line break")
    return f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode("latin-1")
