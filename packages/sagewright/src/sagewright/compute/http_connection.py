"""One HTTP/1.1 keep-alive connection to a container's server, on httptools and a bare asyncio protocol.

Why not a client library: it costs more than the whole rest of a call, and servers in customers' containers often write
headers and body in two packets, which without TCP_QUICKACK on our side makes each call wait 40 ms for a delayed acknowledgement.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

import httptools

MAX_ANSWER = 128 * 1024 * 1024
"""Bytes of an answer that is collected whole; a longer one breaks the connection."""

STREAM_WINDOW = 1024 * 1024
"""Bytes of a streamed answer that may wait to be taken before the connection stops reading."""


_NEVER = float("inf")


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
    """Asks one question at a time; ``released`` is called when the next may be asked, ``lost`` when the connection has ended.

    httptools calls the ``on_`` methods. One parser and one alarm for all questions: made anew for each they cost as much as the rest of a
    call, 20 us.
    """

    def __init__(
        self, connected: socket.socket, released: Callable[[HttpConnection], None], lost: Callable[[HttpConnection], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._lost = lost
        self._socket = connected
        self._is_tcp = connected.family != socket.AF_UNIX
        self._released = released
        self._transport: asyncio.Transport | None = None
        self._exchange: _Exchange | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._readable = select.poll()
        self._readable.register(connected, select.POLLIN | select.POLLRDHUP)
        self._alarm: asyncio.TimerHandle | None = None
        self._until = _NEVER
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
        await connection._loop.create_connection(lambda: connection, sock=connected)
        return connection

    @property
    def alive(self) -> bool:
        """False once the other side has closed, or sent bytes that nobody asked for: asks the kernel, because the event loop may not have
        seen it yet."""
        if self._transport is None or self._transport.is_closing():
            return False
        return not self._readable.poll(0)

    async def ask(self, request: Sequence[bytes], timeout: float) -> Answer:
        """Sends a request and collects the whole answer. Raises Unsent, Broken, TimeoutError; the connection is of no further use then."""
        exchange = self._send(request, streams=False)
        self._wait_until(self._loop.time() + timeout)
        try:
            await exchange.done
        except BaseException:
            self.abort()  # the answer would still come and be taken for that of the next question
            raise
        parts = exchange.parts
        return Answer(exchange.status, exchange.headers, parts[0] if len(parts) == 1 else b"".join(parts))

    async def stream(
        self, request: Sequence[bytes], body: AsyncIterator[bytes] | None = None, patience: float | None = None
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

    def _send(self, request: Sequence[bytes], *, streams: bool) -> _Exchange:
        if self._transport is None or self._transport.is_closing():
            raise Unsent("the connection was closed")
        self._exchange = exchange = _Exchange(self._loop, self._transport, streams)
        self._transport.writelines(request)
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

    def _wait_until(self, until: float) -> None:
        """The question under way fails then. The alarm is not cancelled by an answer: most come long before."""
        self._until = until
        if self._alarm is None or until < self._alarm.when():
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = self._loop.call_at(until, self._time_out)

    def _time_out(self) -> None:
        self._alarm = None
        if self._exchange is None or self._until == _NEVER:
            return
        if self._until <= self._loop.time():
            self._exchange.fail(TimeoutError("no answer in time"))
        else:
            self._wait_until(self._until)

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
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as problem:
            exchange.keeps_alive = False
            exchange.fail(Broken(f"the container's answer is not HTTP: {problem}"))
        if exchange.done.done():
            self._end(exchange)
        elif self._is_tcp:
            # The rest may wait for an acknowledgement. The kernel forgets this after some packets; setting it sends one.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def connection_lost(self, problem: Exception | None) -> None:
        """asyncio: the connection has ended."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self._exchange is not None:
            self._exchange.end_of_connection()
            self._exchange = None
        self._writable.set()
        self._lost(self)

    def on_message_begin(self) -> None:
        """A message starts; a second one answers nothing that was asked."""
        if self._exchange is None or self._exchange.done.done():
            raise Broken("the container answered twice")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        assert self._exchange is not None
        self._exchange.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Status and headers are known."""
        assert self._exchange is not None
        self._exchange.begin(self._parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        assert self._exchange is not None
        self._exchange.add(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        assert self._exchange is not None
        self._exchange.end(self._parser.should_keep_alive())

    def _end(self, exchange: _Exchange) -> None:
        self._exchange = None
        self._until = _NEVER
        if exchange.keeps_alive and not exchange.sending and self._transport is not None and not self._transport.is_closing():
            if exchange.paused:
                self._transport.resume_reading()
            self._released(self)
        else:
            self.abort()


class _Exchange:
    """One question and its answer."""

    __slots__ = (
        "_loop",
        "_taken",
        "_transport",
        "done",
        "head",
        "headers",
        "keeps_alive",
        "parts",
        "paused",
        "sending",
        "size",
        "status",
        "streams",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, streams: bool) -> None:
        self._loop = loop
        self._transport = transport
        self._taken: asyncio.Future[None] | None = None
        self.streams = streams
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts: deque[bytes] = deque()
        self.size = 0
        self.keeps_alive = False
        self.sending = False
        self.paused = False
        """Reading was stopped at least once."""
        self.done: asyncio.Future[None] = loop.create_future()
        self.head: asyncio.Future[None] = loop.create_future() if streams else self.done

    async def take(self) -> bytes | None:
        """The next piece of the body; None when it is whole. Raises Broken."""
        while not self.parts:
            if self.done.done():
                return self.done.result()
            self._taken = self._loop.create_future()
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

    def begin(self, status: int) -> None:
        """The headers are complete; an interim answer (1xx) is forgotten."""
        if status < 200:
            self.headers = {}
            return
        self.status = status
        if self.streams:
            _resolve(self.head)

    def add(self, body: bytes) -> None:
        """A piece of the body has come."""
        self.parts.append(body)
        self.size += len(body)
        if self.streams:
            if self.size > STREAM_WINDOW:
                self.paused = True
                self._transport.pause_reading()
            self._wake()
        elif self.size > MAX_ANSWER:
            self.fail(Broken(f"the container's answer is longer than {MAX_ANSWER} bytes"))

    def end(self, keeps_alive: bool) -> None:
        """The answer is whole, unless it was an interim one."""
        if self.status:
            self.keeps_alive = keeps_alive and not self.done.done()
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

    def fail(self, problem: Exception) -> None:
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
