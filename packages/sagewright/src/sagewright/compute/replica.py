"""A client of one serving container: what front asks for inference, and control for health and batch transform.

Two protocols (docs/architecture.md): ``frames``, multiplexed over the Unix socket of a built-in algorithm's server, and ``http``,
keep-alive connections to the container's port, each obtained as a connected socket from its ``dial.sock``.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Literal, NamedTuple, Protocol

from sagewright.compute.dial import dial_socket
from sagewright.compute.http_connection import Answer, Broken, Chunks, HttpConnection, StreamedAnswer, Unsent
from sagewright.compute.payload import FilePayload, PayloadTooLarge
from sagewright.wire.frames import LARGEST_FRAME, FrameClient

__all__ = [
    "Address",
    "Answer",
    "Broken",
    "Chunks",
    "FrameReplica",
    "HttpReplica",
    "ModelHost",
    "Replica",
    "StreamedAnswer",
    "Unsent",
    "open_replica",
]

DIAL_TIMEOUT = 5.0
"""Seconds to reach a container's socket."""

IDLE_CONNECTIONS = 64
"""Keep-alive connections kept per container."""

LARGEST_PAYLOAD = LARGEST_FRAME - 1024 * 1024
"""Bytes of a body that a frame carries beside its header."""

_JOINED = 64 * 1024
"""Bytes of a body that is sent in one piece with its head."""

HEADER_NAMES = {
    "content_type": "Content-Type",
    "accept": "Accept",
    "custom_attributes": "X-Amzn-SageMaker-Custom-Attributes",
    "inference_id": "X-Amzn-SageMaker-Inference-Id",
    "session_id": "X-Amzn-SageMaker-Session-Id",
    "target_model": "X-Amzn-SageMaker-Target-Model",
    "adapter": "X-Amzn-SageMaker-Adapter-Identifier",
    "adapter_alias": "X-Amzn-SageMaker-Adapter-Alias",
}
"""The headers a container sees, by their name in a frame; SageMaker strips all others."""

MODEL = "model"
"""The key of ``headers`` that names the one of many models that is asked (Developer Guide, mms-container-apis); no header."""

Operation = Literal["load_model", "unload_model", "describe_model", "list_models", "load_adapter", "unload_adapter"]
"""What a container of many models, or of a model with adapters, is asked besides."""


class Address(NamedTuple):
    """Where a replica listens; plain data, as in the route snapshot. Without a ``socket`` the port is one of this machine."""

    protocol: Literal["frames", "http"]
    socket: str
    port: int = 8080


class Replica(Protocol):
    """One serving container. ``headers`` are keys of HEADER_NAMES; an answer's headers are in lower case.

    Every method raises Unsent (nobody was reached: ask another replica), Broken (the connection ended while the container
    worked) or TimeoutError (no whole answer within ``timeout`` seconds).
    """

    @property
    def address(self) -> Address:
        """Where it listens."""

    @property
    def in_flight(self) -> int:
        """Calls that are not answered yet."""

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        """POST /invocations."""

    async def stream(self, headers: Mapping[str, str], body: bytes | FilePayload, timeout: float) -> StreamedAnswer:
        """POST /invocations; ``timeout`` holds for the answer's headers. The chunks must be read to the end or closed.

        A body in a file is sent piece by piece; raises PayloadTooLarge when the protocol cannot carry it.
        """

    async def ping(self, timeout: float) -> bool:
        """Whether the container says that it can serve; False also when it cannot be reached."""

    async def get(self, path: str, timeout: float) -> Answer:
        """GET, for /execution-parameters; a replica that does not speak HTTP answers 404."""

    def close(self) -> None:
        """Ends all connections; calls in flight get Broken."""


class ModelHost(Replica, Protocol):
    """A container of many models; it is asked for one of them by MODEL among the headers."""

    async def manage(self, operation: Operation, model: str, body: bytes, timeout: float) -> Answer:
        """Loads (``body`` says what and from where), unloads, tells of one or lists them (of the page that ``model`` names)."""


def open_replica(address: Address) -> Replica:
    """A client for this address; connects when it is first used."""
    return FrameReplica(address) if address.protocol == "frames" else HttpReplica(address)


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


class FrameReplica:
    """A built-in algorithm's server: one connection carries every call, answers come in any order."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.in_flight = 0
        self._client: FrameClient | None = None
        self._connecting = asyncio.Lock()

    async def invoke(self, headers: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        """See Replica."""
        self.in_flight += 1
        try:
            return await self._ask(headers, body, timeout)
        finally:
            self.in_flight -= 1

    async def stream(self, headers: Mapping[str, str], body: bytes | FilePayload, timeout: float) -> StreamedAnswer:
        """See Replica; the whole answer is one chunk, and so is the question: a frame."""
        if isinstance(body, FilePayload):
            if body.size > LARGEST_PAYLOAD:
                raise PayloadTooLarge(body.size, LARGEST_PAYLOAD)
            body = await asyncio.to_thread(body.file.read_bytes)
        status, head, payload = await self.invoke(headers, body, timeout)
        parts = [payload] if payload else []

        async def take() -> bytes | None:
            return parts.pop() if parts else None

        return StreamedAnswer(status, head, Chunks(take, parts.clear))

    async def manage(self, operation: Operation, model: str, body: bytes, timeout: float) -> Answer:
        """See ModelHost."""
        return await self._ask({"op": operation, "model": model}, body, timeout)

    async def ping(self, timeout: float) -> bool:
        """See Replica."""
        try:
            return (await self._ask({"op": "ping"}, b"", timeout)).status == 200
        except (ConnectionError, TimeoutError):
            return False

    async def get(self, path: str, timeout: float) -> Answer:
        """See Replica."""
        return Answer(404, {}, b"")

    def close(self) -> None:
        """See Replica."""
        if self._client is not None:
            self._client.close()

    async def _ask(self, header: Mapping[str, str], body: bytes, timeout: float) -> Answer:
        client = self._client
        if client is None or client.closed:
            client = await self._connect()
        try:
            answer, payload = await client.call(header, body, timeout)
        except ConnectionError as problem:
            raise Broken(f"the connection to the container ended: {problem}") from problem
        return Answer(int(answer.get("status", 500)), _lower_case(answer), payload)

    async def _connect(self) -> FrameClient:
        async with self._connecting:
            if self._client is None or self._client.closed:
                try:
                    with _socket_itself(self.address.socket) as path:
                        self._client = await FrameClient.connect(path)
                except OSError as problem:
                    raise Unsent(f"the container's socket cannot be reached: {problem.strerror}") from problem
            return self._client


def _dial(address: Address) -> socket.socket:
    try:
        if not address.socket:
            return socket.create_connection(("127.0.0.1", address.port), DIAL_TIMEOUT)
        return dial_socket(Path(address.socket), address.port, DIAL_TIMEOUT)
    except OSError as problem:
        raise Unsent(f"port {address.port} of the container cannot be reached: {problem.strerror or problem}") from problem


@contextmanager
def _socket_itself(path: str) -> Iterator[Path]:
    """A short path to the socket that lies at ``path``, and to nothing else.

    The container can write to the socket's folder: a link in its place would lead to any socket of this machine.
    """
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "it is no socket")
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


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


def _lower_case(header: Mapping[str, object]) -> dict[str, str]:
    return {_ANSWER_NAMES[name]: str(value) for name, value in header.items() if name in _ANSWER_NAMES}


_ANSWER_NAMES = {name: header.lower() for name, header in HEADER_NAMES.items()}
