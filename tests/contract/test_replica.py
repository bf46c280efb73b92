"""The contract of Replica (compute/replica.py), for both protocols: each brings a server that behaves as the test says."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sagewright.compute import dialler, sockets
from sagewright.compute.http_connection import STREAM_WINDOW
from sagewright.compute.payload import FilePayload, PayloadTooLarge
from sagewright.compute.replica import Address, Answer, Broken, Replica, Unsent
from sagewright.compute.replicas import open_replica
from sagewright.wire.frames import serve_frames

HEADERS = {"content_type": "text/csv", "accept": "application/json", "custom_attributes": "a=1", "inference_id": "id-1"}


@dataclass
class Asked:
    """What a served model sees."""

    headers: dict[str, str]
    body: bytes


Model = Callable[[Asked], Awaitable[tuple[int, dict[str, str], bytes]]]
"""Answers (status, headers by their name in a frame, body); None as body: the connection is cut."""


class Cut(Exception):
    """The server ends the connection instead of answering."""


async def echo(asked: Asked) -> tuple[int, dict[str, str], bytes]:
    return 200, {"content_type": asked.headers.get("accept", "x/y"), "custom_attributes": "b=2"}, asked.body


@asynccontextmanager
async def frames(folder: Path, model: Model) -> AsyncIterator[Address]:
    path = folder / "frames.sock"

    async def answer(header: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        if header.get("op") == "ping":
            return {"status": 200}, b""
        status, headers, said = await model(Asked(header, body))
        return {"status": status, **headers}, said

    server = await serve_frames(path, answer)
    try:
        yield Address("frames", str(path))
    finally:
        await server.close()


@asynccontextmanager
async def http(folder: Path, model: Model) -> AsyncIterator[Address]:
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        try:
            while await _one(reader, writer, model):
                pass
        except (Cut, asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        with dialled(folder / "dial.sock"):
            yield Address("http", str(folder / "dial.sock"), server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for writer in connections:
            writer.transport.abort()
        await server.wait_closed()


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, model: Model) -> bool:
    line, _, rest = (await reader.readuntil(b"\r\n\r\n")).decode().partition("\r\n")
    fields = dict(field.lower().split(": ", 1) for field in rest.strip().split("\r\n"))
    if line.startswith("GET /ping"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True
    body = await reader.readexactly(int(fields["content-length"]))
    names = {"content-type": "content_type", "accept": "accept"}
    names |= {"x-amzn-sagemaker-custom-attributes": "custom_attributes", "x-amzn-sagemaker-inference-id": "inference_id"}
    status, headers, said = await model(Asked({names[k]: v for k, v in fields.items() if k in names}, body))
    backwards = {short: name for name, short in names.items()}
    writer.write(
        f"HTTP/1.1 {status} X\r\n".encode() + b"".join(f"{backwards[k]}: {v}\r\n".encode() for k, v in headers.items())
    )
    await writer.drain()
    writer.write(f"Content-Length: {len(said)}\r\n\r\n".encode() + said)
    await writer.drain()
    return True


class dialled:  # noqa: N801
    """A dialler at ``path``, as beside a container."""

    def __init__(self, path: Path) -> None:
        self.listener = sockets.listen(path)
        self.thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        try:
            dialler.serve(self.listener)
        except OSError:
            return

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


Serve = Callable[[Model], Awaitable[Replica]]


@pytest.fixture(params=[frames, http], ids=["frames", "http"])
async def serve(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Serve]:
    async with AsyncExitStack() as stack:

        async def start(model: Model) -> Replica:
            address = await stack.enter_async_context(request.param(tmp_path, model))
            replica = open_replica(address)
            stack.callback(replica.close)
            return replica

        yield start


async def test_headers_and_body_reach_the_model_and_the_answer_comes_back(serve: Serve) -> None:
    seen: list[Asked] = []

    async def model(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        seen.append(asked)
        return await echo(asked)

    answer = await (await serve(model)).invoke(HEADERS, b"1,2\n", 5)
    assert seen[0].headers == HEADERS
    assert seen[0].body == b"1,2\n"
    assert answer == Answer(
        200, {**answer.headers, "content-type": "application/json", "x-amzn-sagemaker-custom-attributes": "b=2"}, b"1,2\n"
    )


async def test_a_ping_tells_whether_it_can_serve(serve: Serve) -> None:
    assert await (await serve(echo)).ping(5)


async def test_many_calls_at_once_get_their_own_answers(serve: Serve) -> None:
    gate = asyncio.Event()

    async def model(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        await gate.wait()
        return await echo(asked)

    replica = await serve(model)
    calls = [asyncio.create_task(replica.invoke(HEADERS, str(number).encode(), 10)) for number in range(50)]
    while replica.in_flight < 50:  # noqa: ASYNC110  (a turn of the loop is all it takes)
        await asyncio.sleep(0)
    gate.set()
    assert [(await call).body for call in calls] == [str(number).encode() for number in range(50)]
    assert replica.in_flight == 0


async def test_a_large_body_goes_both_ways(serve: Serve) -> None:
    body = bytes(range(256)) * 24_576
    assert (await (await serve(echo)).invoke(HEADERS, body, 20)).body == body


async def test_a_body_in_a_file_is_sent_in_pieces(serve: Serve, tmp_path: Path) -> None:
    """K04: payloads of asynchronous requests, which are never whole in memory."""
    body = bytes(range(256)) * 40_960
    file = tmp_path / "payload"
    file.write_bytes(body)
    replica = await serve(echo)
    answer = await replica.stream(HEADERS, FilePayload.of(file), 20)
    assert b"".join([part async for part in answer.chunks]) == body
    assert (await replica.invoke(HEADERS, b"next", 5)).body == b"next"
    assert replica.in_flight == 0


async def test_a_frame_cannot_carry_everything(tmp_path: Path) -> None:
    replica = open_replica(Address("frames", str(tmp_path / "nowhere")))
    with pytest.raises(PayloadTooLarge):
        await replica.stream(HEADERS, FilePayload(tmp_path / "payload", 1 << 30), 5)
    replica.close()


async def test_a_late_answer_is_a_timeout_and_not_taken_for_the_next(serve: Serve) -> None:
    late = asyncio.Event()

    async def model(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if asked.body == b"slow":
            await late.wait()
        return await echo(asked)

    replica = await serve(model)
    with pytest.raises(TimeoutError):
        await replica.invoke(HEADERS, b"slow", 0.05)
    late.set()
    assert (await replica.invoke(HEADERS, b"quick", 5)).body == b"quick"
    assert replica.in_flight == 0


async def test_a_cancelled_call_leaves_the_replica_usable(serve: Serve) -> None:
    late, begun = asyncio.Event(), asyncio.Event()

    async def model(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        if asked.body == b"slow":
            begun.set()
            await late.wait()
        return await echo(asked)

    replica = await serve(model)
    call = asyncio.create_task(replica.invoke(HEADERS, b"slow", 10))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    late.set()
    assert (await replica.invoke(HEADERS, b"quick", 5)).body == b"quick"


async def test_an_error_of_the_model_is_an_answer(serve: Serve) -> None:
    async def model(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return 415, {"content_type": "text/plain"}, b"no such content type"

    answer = await (await serve(model)).invoke(HEADERS, b"", 5)
    assert (answer.status, answer.body) == (415, b"no such content type")


async def test_a_replica_that_is_not_there_is_unsent(tmp_path: Path) -> None:
    for address in (Address("frames", str(tmp_path / "none.sock")), Address("http", str(tmp_path / "none.sock"), 1)):
        replica = open_replica(address)
        with pytest.raises(Unsent):
            await replica.invoke(HEADERS, b"", 5)
        assert not await replica.ping(1)
        assert replica.in_flight == 0


async def test_streaming_gives_the_same_bytes(serve: Serve) -> None:
    body = b"x" * (3 * STREAM_WINDOW)

    async def model(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return 200, {"content_type": "text/plain"}, body

    replica = await serve(model)
    answer = await replica.stream(HEADERS, b"", 5)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
    assert b"".join([part async for part in answer.chunks]) == body
    assert replica.in_flight == 0


async def test_closing_a_stream_midway_leaves_the_replica_usable(serve: Serve) -> None:
    async def model(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b"x" * (8 * STREAM_WINDOW) if asked.body else b"short"

    replica = await serve(model)
    answer = await replica.stream(HEADERS, b"long", 5)
    await anext(answer.chunks)
    answer.chunks.close()
    answer.chunks.close()
    assert replica.in_flight == 0
    assert (await replica.invoke(HEADERS, b"", 5)).body == b"short"


class TestFrames:
    async def test_a_connection_that_ends_fails_the_calls_it_carried_and_a_new_one_is_made(self, tmp_path: Path) -> None:
        begun = asyncio.Event()

        async def model(asked: Asked) -> tuple[int, dict[str, str], bytes]:
            begun.set()
            await asyncio.sleep(3600)
            raise AssertionError

        listener = await asyncio.start_unix_server(lambda r, w: _swallow(r, w, begun), str(tmp_path / "f.sock"))
        replica = open_replica(Address("frames", str(tmp_path / "f.sock")))
        call = asyncio.create_task(replica.invoke(HEADERS, b"", 10))
        with pytest.raises(Broken):
            await call
        listener.close()
        await listener.wait_closed()
        (tmp_path / "f.sock").unlink(missing_ok=True)
        async with frames(tmp_path, echo) as address:
            Path(address.socket).rename(tmp_path / "f.sock")
            assert (await replica.invoke(HEADERS, b"again", 5)).body == b"again"
        replica.close()

    async def test_a_link_in_place_of_the_socket_is_refused(self, tmp_path: Path) -> None:
        """The container owns the folder: it must not lead the front to other sockets of the machine."""
        async with frames(tmp_path, echo) as address:
            (tmp_path / "link.sock").symlink_to(address.socket)
            with pytest.raises(Unsent):
                await open_replica(Address("frames", str(tmp_path / "link.sock"))).invoke(HEADERS, b"", 5)

    async def test_a_path_longer_than_a_socket_address_is_reached(self, tmp_path: Path) -> None:
        deep = tmp_path / ("d" * 100) / ("e" * 100)
        deep.mkdir(parents=True)
        async with frames(tmp_path, echo) as address:
            Path(address.socket).rename(deep / "f.sock")
            replica = open_replica(Address("frames", str(deep / "f.sock")))
            assert (await replica.invoke(HEADERS, b"deep", 5)).body == b"deep"
            replica.close()


async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, begun: asyncio.Event) -> None:
    await reader.read(10)
    writer.transport.abort()


class TestHttp:
    @asynccontextmanager
    async def raw(self, folder: Path, *answers: bytes) -> AsyncIterator[tuple[Replica, list[int]]]:
        """A server that sends one of the given answers to each request and counts its connections; an empty one cuts."""
        left, connections = list(answers), [0]

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections[0] += 1
            while left:
                try:
                    await reader.readuntil(b"\r\n\r\n")
                except (asyncio.IncompleteReadError, ConnectionError):
                    break
                writer.write(left.pop(0))
                if left and left[0] == b"":
                    left.pop(0)
                    break
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        with dialled(folder / "d.sock"):
            replica = open_replica(Address("http", str(folder / "d.sock"), server.sockets[0].getsockname()[1]))
            try:
                yield replica, connections
            finally:
                replica.close()
                server.close()

    async def test_a_connection_is_kept_alive(self, tmp_path: Path) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        async with self.raw(tmp_path, answer, answer, answer) as (replica, connections):
            assert [(await replica.invoke(HEADERS, b"", 5)).body for _ in range(3)] == [b"ok"] * 3
            assert connections == [1]

    async def test_an_idle_connection_that_the_server_closed_is_replaced(self, tmp_path: Path) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        async with self.raw(tmp_path, answer, b"", answer) as (replica, connections):
            await replica.invoke(HEADERS, b"", 5)
            assert (await replica.invoke(HEADERS, b"", 5)).body == b"ok"
            assert connections == [2]

    async def test_an_answer_without_length_ends_with_the_connection(self, tmp_path: Path) -> None:
        """http.server speaks HTTP/1.0 by default."""
        async with self.raw(tmp_path, b"HTTP/1.0 200 OK\r\n\r\nall of it", b"") as (replica, _):
            assert (await replica.invoke(HEADERS, b"", 5)).body == b"all of it"

    async def test_a_chunked_answer_streams_as_it_comes(self, tmp_path: Path) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        async with self.raw(tmp_path, head + b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n") as (replica, _):
            answer = await replica.stream(HEADERS, b"", 5)
            assert b"".join([part async for part in answer.chunks]) == b"onetwo"

    async def test_an_interim_answer_is_passed_over(self, tmp_path: Path) -> None:
        answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        async with self.raw(tmp_path, answer) as (replica, _):
            assert (await replica.invoke(HEADERS, b"", 5)).body == b"ok"

    @pytest.mark.parametrize(
        "answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200"]
    )
    async def test_half_an_answer_is_broken(self, tmp_path: Path, answer: bytes) -> None:
        async with self.raw(tmp_path, answer, b"") as (replica, _):
            with pytest.raises(Broken):
                await replica.invoke(HEADERS, b"", 5)

    async def test_bytes_after_the_answer_are_not_taken_for_the_next(self, tmp_path: Path) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        async with self.raw(tmp_path, answer + answer.replace(b"ok", b"no"), answer) as (replica, connections):
            assert (await replica.invoke(HEADERS, b"", 5)).body == b"ok"
            assert (await replica.invoke(HEADERS, b"", 5)).body == b"ok"
            assert connections == [2]

    async def test_a_header_cannot_bring_another(self, tmp_path: Path) -> None:
        async with self.raw(tmp_path) as (replica, _):
            with pytest.raises(ValueError, match="more than one line"):
                await replica.invoke({"accept": "x\r\nX-Evil: 1"}, b"", 5)
