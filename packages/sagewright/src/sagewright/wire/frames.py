"""Frames: one multiplexed stream of questions and answers over a Unix socket.

``<u32 length><u32 id><u16 header length><header: JSON><body>``, little-endian; ``length`` counts what follows the id. An answer carries
the id of its question; id 0 is a one-way message. ``sagewright_container/serving/frames.py`` holds the same format for the other side,
which may not import this package. Writes of one turn of the event loop leave as one system call.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import orjson

_LOG = logging.getLogger(__name__)

Header = dict[str, Any]
Handler = Callable[[Header, bytes], Awaitable[tuple[Header, bytes]]]

LARGEST_FRAME = 128 * 1024 * 1024
MOST_AT_ONCE = 4096
"""Questions of one connection that are answered at the same time; beyond that we stop reading from it."""

_LARGE = 64 * 1024
_SEND_BUFFER = 1024 * 1024
"""As far as the kernel allows (net.core.wmem_max): the other side takes a large frame in fewer pieces."""
_PREFIX = struct.Struct("<IIH")
_HEADER_LENGTH = 2
_LONGEST_HEADER = 0xFFFF
_ONE_WAY = 0
_NEVER = float("inf")


class FrameError(ConnectionError):
    """The other side does not speak this format, or sent a frame that is too large; the connection is closed."""


def encode(identifier: int, header: Mapping[str, Any], body: bytes) -> tuple[bytes, bytes]:
    """A frame's head and its body, not joined so that a large body is not copied. Raises ValueError when it is too large."""
    text = orjson.dumps(header)
    length = _HEADER_LENGTH + len(text) + len(body)
    if length > LARGEST_FRAME or len(text) > _LONGEST_HEADER:
        raise ValueError(f"a frame of {length} bytes with a header of {len(text)} is too large")
    return _PREFIX.pack(length, identifier, len(text)) + text, body


class FrameReader:
    """Takes bytes as they arrive and gives whole frames; raises FrameError."""

    def __init__(self, largest: int = LARGEST_FRAME) -> None:
        self._largest = largest
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, Header, bytes]]:
        """The frames that ``data`` completes: id, header, body."""
        if self._buffer:
            self._buffer += data
            source: bytes | bytearray = self._buffer
        else:
            source = data
        at = 0
        try:
            while len(source) - at >= _PREFIX.size:
                length, identifier, header_length = _PREFIX.unpack_from(source, at)
                if length > self._largest or length < header_length + _HEADER_LENGTH:
                    raise FrameError(f"refused a frame of {length} bytes")
                end = at + 8 + length
                if len(source) < end:
                    break
                middle = at + _PREFIX.size + header_length
                header, body, at = _header(source[at + _PREFIX.size : middle]), _copy(source, middle, end), end
                yield identifier, header, body
        finally:
            if source is self._buffer:
                del self._buffer[:at]
            else:
                self._buffer += data[at:]


def _copy(source: bytes | bytearray, start: int, end: int) -> bytes:
    """In one step where that is worth a view: a slice of a bytearray is a copy already."""
    if end - start < _LARGE:
        return bytes(source[start:end])
    with memoryview(source) as view:
        return bytes(view[start:end])


def _header(text: bytes | bytearray) -> Header:
    try:
        header = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise FrameError("a frame's header is not JSON") from None
    if type(header) is not dict:
        raise FrameError("a frame's header is not an object")
    return header


class _Connection(asyncio.Protocol):
    """What both sides share: frames in, coalesced frames out, and a brake when the other side does not read."""

    def __init__(self, largest: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader(largest)
        self._transport: asyncio.Transport | None = None
        self._waiting_out: list[bytes] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self._lost: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._waiting_out.clear()
        self._writable.set()
        if not self._lost.done():
            self._lost.set_result(None)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            for identifier, header, body in self._reader.feed(data):
                self.frame_received(identifier, header, body)
        except FrameError as error:
            _LOG.warning("closing a connection: %s", error)
            self.close()

    def frame_received(self, identifier: int, header: Header, body: bytes) -> None:
        """A whole frame has arrived."""
        raise NotImplementedError

    def write_frame(self, identifier: int, header: Mapping[str, Any], body: bytes) -> None:
        """Queues a frame for the end of this turn of the event loop. Raises ConnectionError and ValueError."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the connection is closed")
        if not self._waiting_out:
            self._loop.call_soon(self._flush)
        self._waiting_out += encode(identifier, header, body)

    async def writable(self) -> None:
        """Waits while the other side does not read."""
        await self._writable.wait()

    def close(self) -> None:
        """Closes after what is queued has been written."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _flush(self) -> None:
        if self._transport is not None and self._waiting_out:
            self._transport.writelines(self._waiting_out)
        self._waiting_out = []


_Pending = tuple[asyncio.Future[tuple[Header, bytes]], float]
"""A question's answer to be, and until when it is waited for."""


class FrameClient(_Connection):
    """Asks questions over one connection; reconnecting is its owner's decision. Use ``connect``."""

    def __init__(self, largest: int = LARGEST_FRAME) -> None:
        super().__init__(largest)
        self._last = _ONE_WAY
        self._pending: dict[int, _Pending] = {}
        self._alarm: asyncio.TimerHandle | None = None

    @classmethod
    async def connect(cls, path: Path | str, largest: int = LARGEST_FRAME) -> FrameClient:
        """Raises OSError when nobody listens at ``path``."""
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_unix_connection(lambda: cls(largest), str(path))
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        return client

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, so that no question can be asked any more."""
        return self._transport is None or self._transport.is_closing()

    async def call(self, header: Mapping[str, Any], body: bytes = b"", timeout: float | None = None) -> tuple[Header, bytes]:
        """The answer's header and body. Raises TimeoutError, ConnectionError when the connection breaks, ValueError for too large a frame."""
        if not self._writable.is_set():
            await self.writable()
        identifier = self._free_identifier()
        answer: asyncio.Future[tuple[Header, bytes]] = self._loop.create_future()
        self.write_frame(identifier, header, body)
        until = _NEVER if timeout is None else self._loop.time() + timeout
        self._pending[identifier] = answer, until
        if timeout is not None and (self._alarm is None or until < self._alarm.when()):
            self._set_alarm(until)
        try:
            return await answer
        finally:
            self._pending.pop(identifier, None)

    def send(self, header: Mapping[str, Any], body: bytes = b"") -> None:
        """A one-way message. Raises ConnectionError and ValueError."""
        self.write_frame(_ONE_WAY, header, body)

    async def wait_closed(self) -> None:
        """Waits until the connection is gone."""
        await asyncio.shield(self._lost)

    def frame_received(self, identifier: int, header: Header, body: bytes) -> None:
        pending = self._pending.get(identifier)
        if pending is not None and not pending[0].done():  # an answer that nobody waits for any more is dropped
            pending[0].set_result((header, body))

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._alarm is not None:
            self._alarm.cancel()
        for answer, _ in self._pending.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the connection broke before the answer came"))

    def _set_alarm(self, when: float) -> None:
        """One timer for all questions, never cancelled by an answer: most are answered long before."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(when, self._time_out)

    def _time_out(self) -> None:
        """Questions whose time is up fail; the alarm is set to the next one's."""
        self._alarm = None
        now = self._loop.time()
        for answer, until in self._pending.values():
            if until <= now and not answer.done():
                answer.set_exception(TimeoutError("no answer in time"))
        next_one = min((until for answer, until in self._pending.values() if not answer.done()), default=_NEVER)
        if next_one < _NEVER:
            self._set_alarm(next_one)

    def _free_identifier(self) -> int:
        while True:
            self._last = self._last % 0xFFFFFFFF + 1
            if self._last not in self._pending:
                return self._last


class _Answering(_Connection):
    """The server's side of one connection: every question is a task of its own."""

    def __init__(self, handler: Handler, largest: int, connections: set[_Answering]) -> None:
        super().__init__(largest)
        self._handler = handler
        self._connections = connections
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._connections.discard(self)  # its questions are worked off all the same: what was accepted takes effect

    def frame_received(self, identifier: int, header: Header, body: bytes) -> None:
        task = self._loop.create_task(self._answer(identifier, header, body))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        if len(self._tasks) == MOST_AT_ONCE and self._transport is not None:
            self._transport.pause_reading()

    async def finish(self) -> None:
        """Closes once the questions under way are answered or nobody is left to read the answers."""
        if self._tasks:
            answered = asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.wait((answered, self._lost), return_when=asyncio.FIRST_COMPLETED)
        self.close()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if len(self._tasks) == MOST_AT_ONCE - 1 and self._transport is not None:
            self._transport.resume_reading()

    async def _answer(self, identifier: int, header: Header, body: bytes) -> None:
        try:
            answer = await self._handler(header, body)
        except Exception:  # noqa: BLE001  the asker must get an answer; the bug is in the log
            _LOG.exception("a question of %s was not answered", header.get("op", "a model"))
            answer = {"status": 500}, b""
        if identifier == _ONE_WAY:
            return
        if not self._writable.is_set():
            await self.writable()
        self._write_answer(identifier, *answer)

    def _write_answer(self, identifier: int, header: Header, body: bytes) -> None:
        try:
            self.write_frame(identifier, header, body)
        except ConnectionError:
            return  # the asker has gone
        except ValueError as error:
            _LOG.error("an answer was dropped: %s", error)
            self.write_frame(identifier, {"status": 500}, b"")


class FrameServer:
    """A listening socket and its connections."""

    def __init__(self, server: asyncio.Server, connections: set[_Answering]) -> None:
        self._server = server
        self._connections = connections

    async def close(self) -> None:
        """Stops listening, lets questions under way be answered, closes the connections."""
        self._server.close()
        await asyncio.gather(*(connection.finish() for connection in set(self._connections)))
        await self._server.wait_closed()


async def serve_frames(path: Path, handler: Handler, largest: int = LARGEST_FRAME) -> FrameServer:
    """Listens at ``path`` (mode 0600; a socket left behind is replaced) and answers every question with ``handler``, concurrently.

    A one-way message reaches the handler too, its answer is dropped. A handler that raises is a bug: logged, answered ``{"status": 500}``.
    """
    path.unlink(missing_ok=True)
    connections: set[_Answering] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: _Answering(handler, largest, connections), str(path), start_serving=False)
    path.chmod(0o600)
    await server.start_serving()
    return FrameServer(server, connections)
