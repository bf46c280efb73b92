"""One kept-alive HTTP/1.1 connection to an S3 server, on httptools and a bare asyncio protocol."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import AsyncIterator
from typing import TypeAlias, cast

import httptools

Headers: TypeAlias = list[tuple[str, str]]

_HIGH_WATER = 1024 * 1024
_HEAD_LIMIT = 256 * 1024


class StaleConnectionError(ConnectionError):
    """The server closed the connection before it answered a single byte."""


class OriginConnection(asyncio.Protocol):
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
