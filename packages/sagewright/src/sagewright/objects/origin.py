"""A raw HTTP/1.1 client of one S3 server, with kept-alive connections.

Written on httptools because general clients buffer bodies or cost more than the exchange itself. Bodies stream both ways:
a part is sent when the server has room and read when the consumer asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

import httptools

from sagewright.objects.direct import Direct

Dial: TypeAlias = Callable[[], Awaitable[socket.socket]]
"""Gives a connected, non-blocking stream socket; raises OSError."""

Headers: TypeAlias = list[tuple[str, str]]

_HIGH_WATER = 1024 * 1024
_HEAD_LIMIT = 256 * 1024


class OriginParts:
    """The body of an answer; run it to the end or close it. Raises ConnectionError when the server broke off."""

    __slots__ = ("_connection", "_give")

    def __init__(self, connection: _Connection, give: Callable[[_Connection], None]) -> None:
        self._connection: _Connection | None = connection
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
        self._pool: deque[tuple[float, _Connection]] = deque()

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
        self, connection: _Connection, method: str, head: bytes, body: bytes | AsyncIterator[bytes], chunked: bool
    ) -> OriginAnswer:
        done = False
        try:
            await connection.ask(method, head, body, chunked)
            done = True
        finally:
            if not done:
                connection.close()
        return OriginAnswer(connection.status, connection.headers, OriginParts(connection, self._give))

    def _take(self) -> _Connection | None:
        oldest = asyncio.get_running_loop().time() - self._idle
        while self._pool and self._pool[0][0] < oldest:
            self._pool.popleft()[1].close()
        while self._pool:
            connection = self._pool.pop()[1]
            if connection.reusable:
                return connection
        return None

    def _give(self, connection: _Connection) -> None:
        if connection.reusable and len(self._pool) < self._keep:
            self._pool.append((asyncio.get_running_loop().time(), connection))
        else:
            connection.close()

    async def _connect(self) -> _Connection:
        try:
            connected = await self._dial()
        except OSError as refused:
            raise ConnectionError(f"cannot be reached: {refused.strerror or refused}") from refused
        if connected.family in (socket.AF_INET, socket.AF_INET6):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self._patience), sock=connected, ssl=self._tls, server_hostname=self._tls_name or None
            )
        except BaseException as failure:
            connected.close()
            if isinstance(failure, OSError):
                raise ConnectionError(f"no secure connection: {failure}") from failure
            raise
        return connection


class StaleConnectionError(ConnectionError):
    """The server closed the connection before it answered a single byte."""


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


class _Connection(asyncio.Protocol):
    """One connection; one exchange at a time. ``patience``: seconds the server may be silent or take nothing."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.status = 0
        self.left = -1
        """Bytes of the body that have not come; negative when nobody knows."""
        self.headers: Headers = []
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._method = ""
        self._head: asyncio.Future[None] | None = None
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._complete = True
        self._touched = False
        self._keep = False
        self._sent = False
        self._paused = False
        self._lost = False
        self._head_bytes = 0

    @property
    def reusable(self) -> bool:
        """Whether the last exchange ended cleanly and the server is still there."""
        return self._complete and self._keep and self._sent and not self._lost and not self._parts

    async def ask(self, method: str, head: bytes, body: bytes | AsyncIterator[bytes], chunked: bool) -> None:
        """Sends the request and waits for the head of the answer (``status`` and ``headers``)."""
        self._parser = httptools.HttpResponseParser(self)
        self._method = method
        self._head = asyncio.get_running_loop().create_future()
        self._complete = self._touched = self._keep = self._sent = False
        if self._lost:
            raise StaleConnectionError("the server closed the connection")
        if isinstance(body, bytes):
            self._transport.write(head + body if len(body) < 65536 else head)
            if len(body) >= 65536:
                self._transport.write(body)
            self._sent = True
            async with asyncio.timeout(self.patience):
                await self._head
            return
        self._transport.write(head)
        await self._ask_streaming(body, chunked)

    async def _ask_streaming(self, body: AsyncIterator[bytes], chunked: bool) -> None:
        """The server may answer before it has read everything (a refusal); the rest of the body is then not sent."""
        assert self._head is not None
        sender = asyncio.get_running_loop().create_task(self._send(body, chunked))
        try:
            await asyncio.wait({sender, self._head}, return_when=asyncio.FIRST_COMPLETED)
            if sender.done():
                sender.result()
            async with asyncio.timeout(self.patience):
                await self._head
        finally:
            if not self._head.done():
                self._head.cancel()
            elif not self._head.cancelled():
                self._head.exception()
            if not sender.done():
                sender.cancel()
                await asyncio.wait({sender})

    async def _send(self, body: AsyncIterator[bytes], chunked: bool) -> None:
        async for part in body:
            if not part:
                continue
            if chunked:
                self._transport.writelines((b"%x\r\n" % len(part), part, b"\r\n"))
            else:
                self._transport.write(part)
            if self._drained is not None:
                async with asyncio.timeout(self.patience):
                    await self._drained
        if chunked:
            self._transport.write(b"0\r\n\r\n")
        self._sent = True

    async def read(self) -> bytes:
        """The next part of the body, b"" at its end."""
        while not self._parts:
            if self._complete:
                return b""
            if self._lost:
                raise ConnectionError("the server broke off its answer")
            self._resume()
            self._waiter = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(self.patience):
                await self._waiter
        part = self._parts.popleft()
        self._size -= len(part)
        if self._size < _HIGH_WATER // 2:
            self._resume()
        return part

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._lost:
            self._paused = False
            self._transport.resume_reading()

    def divert(self) -> tuple[list[bytes], socket.socket] | None:
        """Leaves the rest of the body to who called: what has come of it, and the socket from which ``left`` bytes come. See ``settle``."""
        if self._complete or self._lost or self.left <= 0 or self._transport.get_extra_info("sslcontext") is not None:
            return None
        self._pause()
        received = list(self._parts)
        self._parts.clear()
        self._size = 0
        return received, socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno()))

    def settle(self, left: int) -> None:
        """``left`` bytes of the body that was diverted were not taken."""
        self._complete = not left
        if self._complete:
            self._resume()

    def close(self) -> None:
        """Cuts the connection; nothing that matters is left unsent."""
        if not self._lost:
            self._transport.abort()

    # The event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._fail(StaleConnectionError("the server closed the connection"))
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(ConnectionError("the server closed the connection"))
            self._drained.exception()
        self._wake()

    def eof_received(self) -> bool:
        if self._head is not None and self._head.done() and not self._complete and not self._keep and not self._framed():
            self._complete = True
        return False

    def data_received(self, data: bytes) -> None:
        if self._complete:
            self._keep = False
            return
        self._touched = True
        if self._head is not None and not self._head.done():
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(ConnectionError("the server does not speak HTTP/1.1"))
            self._transport.abort()

    def pause_writing(self) -> None:
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # The parser.

    def on_message_begin(self) -> None:
        self.headers = []
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self.left = self._length()
        self._keep = bool(self._parser.should_keep_alive())
        if self._method == "HEAD":
            # httptools cannot be told that no body follows; the parser is thrown away before the next exchange.
            self._complete = True
        if self._head is not None and not self._head.done():
            self._head.set_result(None)

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)
        self.left -= len(part)
        self._size += len(part)
        if self._size > _HIGH_WATER or (self.left > _HIGH_WATER and self._waiter is None):
            self._pause()  # who is told of a long body says first how it is to come
        self._wake()

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self._complete = True
            self._wake()

    def _length(self) -> int:
        fields = {name.lower(): value for name, value in self.headers}
        return -1 if "transfer-encoding" in fields else int(fields.get("content-length", -1))

    def _framed(self) -> bool:
        return any(name.lower() in ("content-length", "transfer-encoding") for name, _ in self.headers)

    def _fail(self, reason: ConnectionError) -> None:
        if self._head is not None and not self._head.done():
            self._head.set_exception(ConnectionError(str(reason)) if self._touched else reason)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _request_head(method: str, target: str, headers: Headers) -> bytes:
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") != len(headers) or "\n" in target or " " in target:
        raise ValueError("a header or the target holds a line break")
    return f"{method} {target} HTTP/1.1\r\n{fields}\r\n".encode("latin-1")
