"""One client connection: HTTP/1.1 parsed by httptools, answered in order.

A bare asyncio protocol, because this is the path of every inference request: a framework costs more than the rest of the
request together. Small bodies are gathered and handed over whole; a body that the application wants as it arrives
(S3) is a ``Body``, and back-pressure reaches the client by not reading its socket.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import lru_cache
from typing import cast

import httptools

from sagewright.front.body import Body
from sagewright.front.encode import CONTINUE, LAST_CHUNK, DateHeader, encode_head, has_body
from sagewright.front.exchange import Application, Exchange, Patience
from sagewright.front.relay import POSSIBLE, SMALLEST, TakerGoneError, relay
from sagewright.front.streamed import Answer, Parts, Streamed
from sagewright.objects.direct import Source
from sagewright.objects.origin import OriginParts
from sagewright.objects.pieces import PieceParts
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response

log = logging.getLogger(__name__)

_NEVER = float("inf")
_PIPELINE_DEPTH = 32
_WRITE_BUFFER = 1024 * 1024
_LARGE = 256 * 1024
"""Bytes of a body's rest that are worth a new parser behind it."""


class Connections:
    """What the connections of one listener share."""

    __slots__ = ("application", "closing", "date", "emptied", "loop", "open", "patience")

    def __init__(self, application: Application, patience: Patience) -> None:
        self.application = application
        self.patience = patience
        self.loop = asyncio.get_running_loop()
        self.date = DateHeader()
        self.open: set[Connection] = set()
        self.closing = False
        self.emptied = asyncio.Event()


class Connection(asyncio.Protocol):
    """The asyncio protocol. Public methods are called by the event loop, by httptools (``on_*``) or by the server."""

    __slots__ = (
        "_began",
        "_current",
        "_deadline",
        "_discarding",
        "_drained",
        "_fields",
        "_head_bytes",
        "_headers",
        "_in_head",
        "_incoming",
        "_parser",
        "_queue",
        "_raw",
        "_reading",
        "_relaying",
        "_shared",
        "_task",
        "_transport",
        "_unsent",
        "_url",
    )

    def __init__(self, shared: Connections) -> None:
        self._shared = shared
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Exchange] = deque()
        self._current: Exchange | None = None
        self._incoming: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._reading = True
        self._unsent = 0
        self._raw = 0
        self._discarding = False
        self._relaying = False
        self._in_head = self._began = False
        self._head_bytes = 0
        self._fields = 0
        self._url = b""
        self._headers: dict[str, str] = {}
        self._deadline = _NEVER

    # The event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        self._deadline = self._shared.loop.time() + self._shared.patience.head
        self._shared.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.open.discard(self)
        if not self._shared.open:
            self._shared.emptied.set()
        self._deadline = _NEVER
        for exchange in (self._incoming, self._current, *self._queue):
            if exchange is not None and exchange.body is not None and not exchange.complete:
                exchange.body.fail(ConnectionResetError("the client closed the connection"))
        if self._task is not None:
            self._task.cancel()

    def eof_received(self) -> bool:
        return False

    def data_received(self, data: bytes) -> None:
        if self._raw:
            data = self._take_raw(data)
        if self._discarding or not data:
            return
        self._began = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # An offer (h2c, websocket), not a duty: go on in HTTP/1.1 behind the request that made it.
            self._parser = httptools.HttpRequestParser(self)
            self.data_received(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._reject(400, "BadRequest", "The request is not valid HTTP/1.1.")
            return
        if self._incoming is not None:
            self._bypass(self._incoming)
        if self._in_head and not self._began:  # where in ``data`` a head began is not known; one packet is bounded anyway
            self._head_bytes += len(data)
            if self._head_bytes > self._shared.patience.head_bytes:
                self._reject(431, "RequestHeaderSectionTooLarge", "The request's headers are too long.")

    def pause_writing(self) -> None:
        self._drained = self._shared.loop.create_future()
        self._unsent = self._transport.get_write_buffer_size()
        self._deadline = self._shared.loop.time() + self._shared.patience.silence

    def resume_writing(self) -> None:
        self._deadline = _NEVER if self._incoming is None else self._shared.loop.time() + self._shared.patience.body
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # The parser.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._head_bytes = self._fields = 0
        self._in_head = self._began = True
        if self._current is None:
            self._deadline = self._shared.loop.time() + self._shared.patience.head

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._head_bytes += len(name) + len(value)
        key = _lower_case(name)
        text = value.decode("latin-1")
        known = self._headers.get(key)
        self._headers[key] = text if known is None else f"{known},{text}"

    def on_headers_complete(self) -> None:
        if self._discarding:
            return
        self._in_head = False
        patience = self._shared.patience
        exchange = self._exchange()
        self._incoming = exchange
        request = exchange.request
        if self._fields > patience.head_fields or self._head_bytes + len(self._url) > patience.head_bytes:
            self._refuse(exchange, Fault("RequestHeaderSectionTooLarge", "The request's headers are too long.", 431))
            return
        if not request.path.startswith("/"):
            self._refuse(exchange, Fault("BadRequest", "The request target must be a path.", 400))
            return
        exchange.limit = self._shared.application.body_limit(request)
        if exchange.limit is None:
            exchange.body = Body(self._wanted, self._steer)
            self._accept(exchange)
        elif int(request.headers.get("content-length", "0")) > exchange.limit:
            self._refuse(exchange, _too_large(exchange.limit))
        elif exchange.expects:
            self._transport.write(CONTINUE)
            exchange.expects = False
        if self._current is None or self._current is exchange:
            self._deadline = self._shared.loop.time() + (patience.body if exchange.limit is not None else patience.silence)

    def on_body(self, part: bytes) -> None:
        exchange = self._incoming
        if self._discarding or exchange is None:
            return
        exchange.expects = False
        if exchange.body is not None:
            exchange.body.feed(part)
            if exchange is self._current:
                self._deadline = self._shared.loop.time() + self._shared.patience.silence
            self._steer()
            return
        exchange.size += len(part)
        if exchange.limit is not None and exchange.size > exchange.limit:
            self._refuse(exchange, _too_large(exchange.limit))
            return
        exchange.parts.append(part)

    def on_message_complete(self) -> None:
        exchange, self._incoming = self._incoming, None
        if self._discarding or exchange is None:
            return
        if self._parser.should_upgrade() and self._has_more(exchange):
            return
        exchange.complete = True
        if exchange.body is not None:
            exchange.body.end()
            if exchange is self._current:
                self._deadline = _NEVER
            return
        parts = exchange.parts
        exchange.request.body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._accept(exchange)

    def _has_more(self, exchange: Exchange) -> bool:
        """httptools drops the body of a request that offers an upgrade; it is then taken by hand."""
        if "transfer-encoding" in self._headers:
            self._refuse(exchange, Fault("BadRequest", "An upgrade cannot be offered with a chunked body.", 400))
            return True
        self._raw = int(self._headers.get("content-length", "0"))
        self._incoming = exchange if self._raw else None
        return self._raw > 0

    def _bypass(self, exchange: Exchange) -> None:
        """The rest of a large body that is gathered is taken by hand: the parser would copy each of its pieces."""
        if exchange.body is not None or self._discarding or "transfer-encoding" in self._headers:
            return
        missing = int(self._headers.get("content-length", "0")) - exchange.size
        if missing > _LARGE:
            self._raw = missing
            self._parser = httptools.HttpRequestParser(self)

    def _take_raw(self, data: bytes) -> bytes:
        part, rest = data[: self._raw], data[self._raw :]
        self._raw -= len(part)
        self.on_body(part)
        if not self._raw:
            self.on_message_complete()
        return rest

    # The server.

    def expire(self, now: float) -> None:
        """Called every second: ends the connection when the client took too long."""
        if now < self._deadline:
            return
        self._deadline = _NEVER
        waiting = self._incoming
        if self._drained is not None and self._transport.get_write_buffer_size() < self._unsent:
            self._unsent = self._transport.get_write_buffer_size()
            self._deadline = now + self._shared.patience.silence
        elif self._discarding or self._relaying or self._drained is not None:
            self._transport.abort()
        elif waiting is not None and waiting.body is not None and not waiting.body.awaited:
            self._deadline = now + self._shared.patience.silence
        elif waiting is not None and waiting.body is not None:
            waiting.body.fail(Fault("RequestTimeout", "The client stopped sending; idle connections will be closed.", 400))
        elif waiting is not None or self._in_head:
            self._reject(408, "RequestTimeout", "The request did not arrive in time.")
        else:
            self._transport.close()

    def retire(self) -> None:
        """Closes the connection now when it is idle, else after the answer under way."""
        if self._current is None and not self._queue and self._incoming is None:
            self._transport.close()

    def abort(self) -> None:
        """Cuts the connection."""
        self._transport.abort()

    # Requests.

    def _exchange(self) -> Exchange:
        parser = self._parser
        target = self._url.decode("latin-1")
        if target[:4] == "http":
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        request = Request(parser.get_method().decode("latin-1"), path, query, self._headers)
        exchange = Exchange(request, parser.should_keep_alive(), parser.get_http_version() == "1.0")
        exchange.expects = not exchange.minor and self._headers.get("expect", "").lower() == "100-continue"
        return exchange

    def _accept(self, exchange: Exchange) -> None:
        if self._current is None:
            self._start(exchange)
        else:
            self._queue.append(exchange)
            self._steer()

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        if exchange.complete:
            self._deadline = _NEVER
        self._task = self._shared.loop.create_task(self._serve(exchange))

    async def _serve(self, exchange: Exchange) -> None:
        if exchange.refusal is not None:
            answer: Answer = exchange.refusal
        else:
            answer = await self._shared.application.answer(exchange.request, exchange.body)
        if isinstance(answer, Response):
            self._send(exchange, answer)
        else:
            await self._stream(exchange, answer)
        if self._drained is not None:
            await self._drained
        self._finish(exchange)

    def _send(self, exchange: Exchange, answer: Response) -> None:
        body = answer.body
        framing = "" if answer.status in (204, 304) else f"Content-Length: {len(body)}\r\n"
        headers = answer.headers
        if exchange.request.method == "HEAD":
            body = b""
            if any(name.lower() == "content-length" for name, _ in headers):
                framing = ""
        head = encode_head(answer.status, headers, self._shared.date.lines(), framing + self._ending(exchange))
        self._transport.write(head + body if len(body) < 65536 else head)
        if len(body) >= 65536:
            self._transport.write(body)

    async def _stream(self, exchange: Exchange, answer: Streamed) -> None:
        length = next((int(value) for name, value in answer.headers if name.lower() == "content-length"), None)
        chunked = length is None and not exchange.minor and has_body(exchange.request.method, answer.status)
        if length is None and exchange.minor:
            exchange.keep_alive = False
        framing = "Transfer-Encoding: chunked\r\n" if chunked else ""
        common = self._shared.date.lines()
        self._transport.write(encode_head(answer.status, answer.headers, common, framing + self._ending(exchange)))
        async with aclosing(answer.parts) as parts:
            if not has_body(exchange.request.method, answer.status):
                return
            try:
                direct = _direct(answer.parts, length)
                sent = await self._copy(parts, chunked) if direct is None else await self._relay(direct)
            except TakerGoneError:
                self._transport.abort()
                return
            except Exception:
                log.exception("an answer broke off; connection cut")
                self._transport.abort()
                return
        if length is not None and sent != length:
            log.error("an answer had %d bytes instead of %d; connection cut", sent, length)
            self._transport.abort()

    async def _copy(self, parts: AsyncIterator[bytes], chunked: bool) -> int:
        """Writes the parts as the client takes them; returns how many bytes they were."""
        sent = 0
        async for part in parts:
            if not part:
                continue
            sent += len(part)
            if chunked:
                self._transport.writelines((b"%x\r\n" % len(part), part, b"\r\n"))
            else:
                self._transport.write(part)
            if self._drained is not None:
                await self._drained
        if chunked:
            self._transport.write(LAST_CHUNK)
        return sent

    async def _relay(self, direct: Source) -> int:
        """The same for a body that goes from socket to socket: the transport's own buffer must be empty before."""
        with direct:
            length = direct.left + sum(map(len, direct.received))
            self._transport.set_write_buffer_limits(high=0)
            self._transport.writelines(direct.received)
            while self._transport.get_write_buffer_size():
                await (self._drained or asyncio.sleep(0))
            self._transport.set_write_buffer_limits(high=_WRITE_BUFFER)
            with socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno())) as target:
                self._relaying = True
                try:
                    await relay(direct, target, self._stuck)
                finally:
                    self._relaying = False
        return length

    def _stuck(self, stuck: bool) -> None:
        self._deadline = self._shared.loop.time() + self._shared.patience.silence if stuck else _NEVER

    def _ending(self, exchange: Exchange) -> str:
        if self._shared.closing or not exchange.complete:
            exchange.keep_alive = False
        if not exchange.keep_alive:
            return "Connection: close\r\n"
        return "Connection: keep-alive\r\n" if exchange.minor else ""

    def _finish(self, exchange: Exchange) -> None:
        self._task = self._current = None
        if self._transport.is_closing():
            return
        if not exchange.keep_alive:
            if exchange.complete:
                self._transport.close()
            else:
                self._linger()
        elif self._queue:
            self._start(self._queue.popleft())
            self._steer()
        else:
            self._rest()

    def _rest(self) -> None:
        patience = self._shared.patience
        wait = patience.body if self._incoming is not None else patience.head if self._in_head else patience.idle
        self._deadline = self._shared.loop.time() + wait

    def _linger(self) -> None:
        """The client still sends: closing now would reset the connection and take the answer with it (RFC 9112, 9.6)."""
        self._discarding = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._deadline = self._shared.loop.time() + self._shared.patience.linger
        self._steer()

    def _steer(self) -> None:
        """Reads the socket only while there is room for what it brings."""
        body = self._incoming.body if self._incoming is not None else None
        room = self._discarding or (len(self._queue) < _PIPELINE_DEPTH and not (body is not None and body.full))
        if room == self._reading or self._transport.is_closing():
            return
        self._reading = room
        if room:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _wanted(self) -> None:
        """The application reads the current body for the first time."""
        exchange = self._current
        if exchange is not None and exchange.expects:
            exchange.expects = False
            self._transport.write(CONTINUE)

    def _refuse(self, exchange: Exchange, fault: Fault) -> None:
        """Answers in turn without the rest of the request, and ends the connection."""
        self._discarding = True
        self._incoming = None
        exchange.parts.clear()
        exchange.keep_alive = False
        exchange.refusal = self._shared.application.refuse(exchange.request, fault)
        self._accept(exchange)

    def _reject(self, status: int, code: str, message: str) -> None:
        """What came is not a request, or not in time."""
        self._in_head = False
        incoming = self._incoming
        if incoming is not None and incoming.body is not None:
            self._discarding = True
            incoming.body.fail(Fault("InvalidRequest", message, 400))
            return
        request = incoming.request if incoming is not None else Request("GET", "/", "", {})
        self._refuse(incoming or Exchange(request, False, False), Fault(code, message, status))


@lru_cache(maxsize=512)
def _lower_case(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _direct(parts: Parts, length: int | None) -> Source | None:
    """A long body that comes from another server as it is."""
    wanted = POSSIBLE and length is not None and length >= SMALLEST
    return parts.direct() if wanted and isinstance(parts, OriginParts | PieceParts) else None


def _too_large(limit: int) -> Fault:
    return Fault("RequestEntityTooLargeException", f"The request body must not be longer than {limit} bytes.", 413)
