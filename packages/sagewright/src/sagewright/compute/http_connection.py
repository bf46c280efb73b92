"""One HTTP/1.1 keep-alive connection to a container's server, on httptools and a bare asyncio protocol.

Why not a client library: it costs more than the whole rest of a call, and servers in customers' containers often write
headers and body in two packets, which without TCP_QUICKACK on our side makes each call wait 40 ms for a delayed acknowledgement.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

import httptools

MAX_ANSWER = 128 * 1024 * 1024
"""Bytes of an answer that is collected whole; a longer one breaks the connection."""

STREAM_WINDOW = 1024 * 1024
"""Bytes of a streamed answer that may wait to be taken before the connection stops reading."""


class Unsent(ConnectionError):
    """The container could not be reached: nothing of the request left, so another replica may be asked."""


class Broken(ConnectionError):
    """The connection ended after the request was sent and before the answer was complete."""


class Answer(NamedTuple):
    """What a container answered; header names in lower case, the body whole."""

    status: int
    headers: dict[str, str]
    body: bytes


class Chunks:
    """The body of an answer as it comes: iterate to the end (raises Broken), or ``close``, which ends the connection."""

    def __init__(self, take: Callable[[], Awaitable[bytes | None]], ended: Callable[[], None]) -> None:
        self.take = take
        """The next piece, None at the end."""
        self._ended: Callable[[], None] | None = ended

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            part = await self.take()
        except BaseException:
            self.close()
            raise
        if part is None:
            self.close()
            raise StopAsyncIteration
        return part

    def close(self) -> None:
        """Gives back what the answer holds; may be called again."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()


class StreamedAnswer(NamedTuple):
    """What a container answers, the body as it comes."""

    status: int
    headers: dict[str, str]
    chunks: Chunks


class HttpConnection(asyncio.Protocol):
    """Asks one question at a time; ``released`` is called when the next may be asked, ``lost`` when the connection has ended."""

    def __init__(
        self, connected: socket.socket, released: Callable[[HttpConnection], None], lost: Callable[[HttpConnection], None]
    ) -> None:
        self._lost = lost
        self._socket = connected
        self._is_tcp = connected.family != socket.AF_UNIX
        self._released = released
        self._transport: asyncio.Transport | None = None
        self._exchange: _Exchange | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def open(
        cls, connected: socket.socket, released: Callable[[HttpConnection], None], lost: Callable[[HttpConnection], None]
    ) -> HttpConnection:
        """Takes over a connected stream socket."""
        connected.setblocking(False)
        connection = cls(connected, released, lost)
        if connection._is_tcp:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().create_connection(lambda: connection, sock=connected)
        return connection

    @property
    def alive(self) -> bool:
        """False once the other side has closed: asks the socket, because the event loop may not have seen it yet."""
        if self._transport is None or self._transport.is_closing():
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # closed (no bytes), or bytes that nobody asked for

    async def ask(self, request: bytes) -> Answer:
        """Sends a request and collects the whole answer. Raises Unsent, Broken."""
        exchange = self._send(request, streams=False)
        await exchange.done
        return Answer(exchange.status, exchange.headers, b"".join(exchange.parts))

    async def stream(
        self, request: bytes, body: AsyncIterator[bytes] | None = None, patience: float | None = None
    ) -> StreamedAnswer:
        """Sends a request, ``body`` behind it, and returns as soon as the answer's headers are there.

        ``patience``: seconds for them once everything is sent. Raises Unsent, Broken, TimeoutError.
        """
        exchange = self._send(request, streams=True)
        if body is not None:
            await self._send_body(exchange, body)
        async with asyncio.timeout(patience):
            await exchange.head
        return StreamedAnswer(exchange.status, exchange.headers, Chunks(exchange.take, exchange.abandon))

    def abort(self) -> None:
        """Ends the connection now; whoever waits for it gets Broken."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, request: bytes, *, streams: bool) -> _Exchange:
        if self._transport is None or self._transport.is_closing():
            raise Unsent("the connection was closed")
        self._exchange = exchange = _Exchange(self._transport, streams)
        self._acknowledge_at_once()
        self._transport.write(request)
        return exchange

    async def _send_body(self, exchange: _Exchange, body: AsyncIterator[bytes]) -> None:
        """As fast as the container reads. One that answers before it has read everything gets no more, and no other question."""
        exchange.sending = True
        async for piece in body:
            await self._writable.wait()
            if exchange.head.done() or self._transport is None or self._transport.is_closing():
                return
            self._transport.write(piece)
        exchange.sending = False

    def pause_writing(self) -> None:
        """asyncio: the container does not read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """asyncio: it does again."""
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the transport is there."""
        self._transport = transport  # type: ignore[assignment]  # uvloop's transports are no subclass of asyncio.Transport

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes of an answer."""
        exchange = self._exchange
        if exchange is None:
            self.abort()  # bytes that nobody asked for: the next answer could not be told from them
            return
        self._acknowledge_at_once()
        try:
            exchange.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as problem:
            exchange.fail(Broken(f"the container's answer is not HTTP: {problem}"))
        if exchange.done.done():
            self._end(exchange)

    def connection_lost(self, problem: Exception | None) -> None:
        """asyncio: the connection has ended."""
        if self._exchange is not None:
            self._exchange.end_of_connection()
            self._exchange = None
        self._writable.set()
        self._lost(self)

    def _end(self, exchange: _Exchange) -> None:
        self._exchange = None
        if exchange.keeps_alive and not exchange.sending and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._released(self)
        else:
            self.abort()

    def _acknowledge_at_once(self) -> None:
        # The kernel forgets TCP_QUICKACK after some packets, so it is set again before every read.
        if self._is_tcp:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class _Exchange:
    """One question and its answer; httptools calls the ``on_`` methods."""

    __slots__ = (
        "_streams",
        "_taken",
        "_transport",
        "done",
        "head",
        "headers",
        "keeps_alive",
        "parser",
        "parts",
        "sending",
        "size",
        "status",
    )

    def __init__(self, transport: asyncio.Transport, streams: bool) -> None:
        loop = asyncio.get_running_loop()
        self._transport = transport
        self._streams = streams
        self._taken: asyncio.Future[None] | None = None
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts: deque[bytes] = deque()
        self.size = 0
        self.keeps_alive = False
        self.sending = False
        self.head: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()

    async def take(self) -> bytes | None:
        """The next piece of the body; None when it is whole. Raises Broken."""
        while not self.parts:
            if self.done.done():
                return self.done.result()
            self._taken = asyncio.get_running_loop().create_future()
            await self._taken
        part = self.parts.popleft()
        self.size -= len(part)
        if self.size <= STREAM_WINDOW < self.size + len(part) and not self._transport.is_closing():
            self._transport.resume_reading()
        return part

    def abandon(self) -> None:
        """Nobody wants the rest: the connection cannot be used again."""
        if not self.done.done():
            self._transport.abort()

    def on_message_begin(self) -> None:
        """A message starts; a second one answers nothing that was asked."""
        if self.done.done():
            self.keeps_alive = False
            raise Broken("the container answered twice")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Status and headers are known; an interim answer (1xx) is forgotten."""
        status = self.parser.get_status_code()
        if status < 200:
            self.headers = {}
            return
        self.status = status
        _resolve(self.head)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self.parts.append(body)
        self.size += len(body)
        if self._streams:
            if self.size > STREAM_WINDOW:
                self._transport.pause_reading()
            self._wake()
        elif self.size > MAX_ANSWER:
            self.fail(Broken(f"the container's answer is longer than {MAX_ANSWER} bytes"))

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self.status:
            self.keeps_alive = self.parser.should_keep_alive() and not self.done.done()
            _resolve(self.done)
            self._wake()

    def end_of_connection(self) -> None:
        """The end of the connection is the end of an answer without a length, and a fault of any other."""
        has_length = "content-length" in self.headers or "chunked" in self.headers.get("transfer-encoding", "")
        if self.status and not has_length:
            _resolve(self.done)
            self._wake()
        else:
            self.fail(Broken("the container closed the connection before it had answered"))

    def fail(self, problem: Broken) -> None:
        """Gives the problem to whoever waits for the answer."""
        for future in (self.head, self.done):
            if not future.done():
                future.set_exception(problem)
                future.exception()  # counts as seen: nobody need be waiting
        self._wake()

    def _wake(self) -> None:
        if self._taken is not None:
            _resolve(self._taken)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
