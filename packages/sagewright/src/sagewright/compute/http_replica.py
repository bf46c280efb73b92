"""A container that speaks HTTP/1.1: keep-alive connections to its port, each obtained as a connected socket from its ``dial.sock``."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from time import monotonic

from sagewright.compute.dial import dial_socket
from sagewright.compute.http_connection import Answer, Chunks, HttpConnection, StreamedAnswer, Unsent
from sagewright.compute.payload import FilePayload
from sagewright.compute.replica import HEADER_NAMES, MODEL, Address, Operation

DIAL_TIMEOUT = 5.0
"""Seconds to reach a container's socket."""

IDLE_CONNECTIONS = 64
"""Keep-alive connections kept per container."""

_JOINED = 64 * 1024
"""Bytes of a body that is sent in one piece with its head."""


class HttpReplica:
    """A container that speaks HTTP/1.1."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.in_flight = 0
        self._idle: list[HttpConnection] = []
        self._open: set[HttpConnection] = set()

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        """See Replica."""
        return await self._ask(_post(headers, body), timeout)

    async def get(self, path: str, timeout: float) -> Answer:
        """See Replica."""
        return await self._ask((f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode("latin-1"),), timeout)

    async def manage(self, operation: Operation, model: str, body: bytes, timeout: float) -> Answer:
        """See ModelHost."""
        method, path = _MANAGED[operation]
        path = path.format(model)
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self._ask((head.encode("latin-1"), body), timeout)

    async def ping(self, timeout: float) -> bool:
        """See Replica."""
        try:
            return (await self.get("/ping", timeout)).status == 200
        except (ConnectionError, TimeoutError):
            return False

    async def stream(self, headers: Mapping[str, str], body: bytes | FilePayload, timeout: float) -> StreamedAnswer:
        """See Replica."""
        self.in_flight += 1
        try:
            async with asyncio.timeout(timeout):
                connection = await self._connection()
                with _aborted_on_error(connection):
                    if isinstance(body, FilePayload):
                        status, head, chunks = await connection.stream((_post_head(headers, body.size),), body.pieces())
                    else:
                        status, head, chunks = await connection.stream(_post(headers, body))
        except BaseException:
            self.in_flight -= 1
            raise
        return StreamedAnswer(status, head, self._counted(chunks))

    async def send(self, headers: Mapping[str, str], read: Callable[[], Awaitable[bytes]], timeout: float) -> StreamedAnswer:
        """POST /invocations with a body of any length, in chunks: ``read`` gives the next piece, nothing at the end.

        ``timeout`` holds for the answer's headers once the body is sent. Raises what ``invoke`` raises, and what ``read`` raises.
        """
        self.in_flight += 1
        try:
            connection = await self._connection()
            with _aborted_on_error(connection):
                status, head, chunks = await connection.stream((_chunked_head(headers),), _chunked(read), timeout)
        except BaseException:
            self.in_flight -= 1
            raise
        return StreamedAnswer(status, head, self._counted(chunks))

    def close(self) -> None:
        """See Replica."""
        self._idle.clear()
        for connection in tuple(self._open):
            connection.abort()

    async def _ask(self, request: Sequence[bytes], timeout: float) -> Answer:
        self.in_flight += 1
        try:
            connection = self._kept()
            if connection is None:
                began = monotonic()
                async with asyncio.timeout(timeout):
                    connection = await self._connect()
                timeout -= monotonic() - began
            return await connection.ask(request, timeout)
        finally:
            self.in_flight -= 1

    async def _connection(self) -> HttpConnection:
        return self._kept() or await self._connect()

    def _kept(self) -> HttpConnection | None:
        """A connection that was used before; None when there is none that is still good."""
        while self._idle:
            connection = self._idle.pop()
            if connection.alive:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> HttpConnection:
        connected = await asyncio.to_thread(_dial, self.address)
        connection = await HttpConnection.open(connected, self._released, self._lost)
        self._open.add(connection)
        return connection

    def _released(self, connection: HttpConnection) -> None:
        if len(self._idle) < IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.abort()

    def _lost(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _counted(self, chunks: Chunks) -> Chunks:
        def ended() -> None:
            self.in_flight -= 1
            chunks.close()

        return Chunks(chunks.take, ended)


def _dial(address: Address) -> socket.socket:
    try:
        if not address.socket:
            return socket.create_connection(("127.0.0.1", address.port), DIAL_TIMEOUT)
        return dial_socket(Path(address.socket), address.port, DIAL_TIMEOUT)
    except OSError as problem:
        raise Unsent(f"port {address.port} of the container cannot be reached: {problem.strerror or problem}") from problem


@contextmanager
def _aborted_on_error(connection: HttpConnection) -> Iterator[None]:
    # After a timeout or a cancellation the answer would still come and be taken for that of the next question.
    try:
        yield
    except BaseException:
        connection.abort()
        raise


_MANAGED: Mapping[Operation, tuple[str, str]] = {
    "load_model": ("POST", "/models"),
    "unload_model": ("DELETE", "/models/{}"),
    "describe_model": ("GET", "/models/{}"),
    "list_models": ("GET", "/models?next_page_token={}"),
    "load_adapter": ("POST", "/adapters"),
    "unload_adapter": ("DELETE", "/adapters/{}"),
}


def _post(headers: Mapping[str, str], body: bytes) -> tuple[bytes, ...]:
    """A large body is not copied to stand behind the head."""
    head = _post_head(headers, len(body))
    return (head, body) if len(body) > _JOINED else (head + body,)


def _post_head(headers: Mapping[str, str], size: int) -> bytes:
    return f"{_target(headers)}Content-Length: {size}\r\n\r\n".encode()


def _chunked_head(headers: Mapping[str, str]) -> bytes:
    return f"{_target(headers)}Transfer-Encoding: chunked\r\n\r\n".encode()


def _target(headers: Mapping[str, str]) -> str:
    return _lines(tuple(headers.items()))


@lru_cache(maxsize=256)
def _lines(headers: tuple[tuple[str, str], ...]) -> str:
    """What stands before the length of a body; cached because most of a client's requests say the same."""
    path = next((f"/models/{value}/invoke" for name, value in headers if name == MODEL), "/invocations")
    lines = "".join(f"{HEADER_NAMES[name]}: {_one_line(value)}\r\n" for name, value in headers if name != MODEL)
    return f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{lines}"


async def _chunked(read: Callable[[], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    while piece := await read():
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def _one_line(value: str) -> str:
    if "\r" in value or "\n" in value:
        raise ValueError("a header has more than one line")
    return value
