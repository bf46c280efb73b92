"""Frames over a real Unix socket, on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from sagewright.wire import frames
from sagewright.wire.frames import FrameClient, FrameError, FrameReader, serve_frames

Run = Callable[[Awaitable[Any]], Any]
Header = dict[str, Any]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield lambda body: runner.run(asyncio.wait_for(body, 20))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.sock"


async def echo(header: Header, body: bytes) -> tuple[Header, bytes]:
    return header, body


def test_answers_find_their_questions(run: Run, path: Path) -> None:
    async def backwards(header: Header, body: bytes) -> tuple[Header, bytes]:
        await asyncio.sleep(0 if header["number"] % 2 else 0.001)
        return header, body

    async def talk() -> None:
        server, client = await serve_frames(path, backwards), await FrameClient.connect(path)
        answers = await asyncio.gather(*(client.call({"number": number}, b"%d" % number) for number in range(500)))
        assert answers == [({"number": number}, b"%d" % number) for number in range(500)]
        client.close()
        await client.wait_closed()
        await server.close()

    run(talk())


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 5_000_000])
def test_bodies_of_any_size(run: Run, path: Path, size: int) -> None:
    async def talk() -> None:
        server, client = await serve_frames(path, echo), await FrameClient.connect(str(path))
        assert await client.call({"é": [1, None]}, bytes(size)) == ({"é": [1, None]}, bytes(size))
        client.close()
        await server.close()

    run(talk())


def test_one_way_messages_get_no_answer(run: Run, path: Path) -> None:
    async def talk() -> None:
        arrived: asyncio.Queue[tuple[Header, bytes]] = asyncio.Queue()

        async def keep(header: Header, body: bytes) -> tuple[Header, bytes]:
            await arrived.put((header, body))
            return {"status": 200}, b""

        server, client = await serve_frames(path, keep), await FrameClient.connect(path)
        client.send({"op": "invocations"}, b"counters")
        assert await arrived.get() == ({"op": "invocations"}, b"counters")
        assert await client.call({}) == ({"status": 200}, b"")
        client.close()
        await server.close()

    run(talk())


def test_a_question_may_time_out_and_a_late_answer_harms_nobody(run: Run, path: Path) -> None:
    async def talk() -> None:
        gate = asyncio.Event()

        async def slow(header: Header, body: bytes) -> tuple[Header, bytes]:
            if body == b"slow":
                await gate.wait()
            return header, body

        server, client = await serve_frames(path, slow), await FrameClient.connect(path)
        with pytest.raises(TimeoutError):
            await client.call({}, b"slow", timeout=0.01)
        gate.set()
        assert await client.call({}, b"fast", timeout=5) == ({}, b"fast")
        client.close()
        await server.close()

    run(talk())


def test_every_question_has_a_time_of_its_own(run: Run, path: Path) -> None:
    async def talk() -> None:
        gate = asyncio.Event()

        async def slow(header: Header, body: bytes) -> tuple[Header, bytes]:
            await gate.wait()
            return header, body

        server, client = await serve_frames(path, slow), await FrameClient.connect(path)
        patient = asyncio.create_task(client.call({}, b"patient", timeout=15))
        unlimited = asyncio.create_task(client.call({}, b"unlimited"))
        hasty = [client.call({}, b"hasty", timeout=seconds) for seconds in (0.03, 0.01, 0.02)]
        outcomes = await asyncio.gather(*hasty, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [TimeoutError] * 3
        gate.set()
        assert (await patient, await unlimited) == (({}, b"patient"), ({}, b"unlimited"))
        client.close()
        await server.close()

    run(talk())


def test_a_broken_connection_fails_what_is_pending(run: Run, path: Path) -> None:
    async def talk() -> None:
        asked, never = asyncio.Event(), asyncio.Event()

        async def hang(header: Header, body: bytes) -> tuple[Header, bytes]:
            asked.set()
            await never.wait()
            return header, body

        server, client = await serve_frames(path, hang), await FrameClient.connect(path)
        pending = asyncio.ensure_future(client.call({}))
        await asked.wait()
        client.close()
        with pytest.raises(ConnectionError):
            await pending
        await client.wait_closed()
        assert client.closed
        with pytest.raises(ConnectionError):
            await client.call({})
        with pytest.raises(ConnectionError):
            client.send({})
        await server.close()

    run(talk())


def test_closing_the_server_lets_questions_under_way_be_answered(run: Run, path: Path) -> None:
    async def talk() -> None:
        asked, gate = asyncio.Event(), asyncio.Event()

        async def slow(header: Header, body: bytes) -> tuple[Header, bytes]:
            asked.set()
            await gate.wait()
            return header, b"done"

        server, client = await serve_frames(path, slow), await FrameClient.connect(path)
        pending = asyncio.ensure_future(client.call({}))
        await asked.wait()
        closing = asyncio.ensure_future(server.close())
        await asyncio.sleep(0)
        gate.set()
        assert (await pending)[1] == b"done"
        await closing
        await client.wait_closed()
        with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
            await FrameClient.connect(path)

    run(talk())


def test_a_handlers_bug_is_logged_and_answered(run: Run, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(header: Header, body: bytes) -> tuple[Header, bytes]:
        if body:
            return {"long": "x" * 70_000}, b""
        raise KeyError("a bug")

    async def talk() -> None:
        server, client = await serve_frames(path, broken), await FrameClient.connect(path)
        assert await client.call({"op": "api"}) == ({"status": 500}, b"")
        assert await client.call({"op": "api"}, b"header too long") == ({"status": 500}, b"")
        client.close()
        await server.close()

    with caplog.at_level(logging.ERROR):
        run(talk())
    assert "a bug" in caplog.text


@pytest.mark.parametrize(
    "spoilt",
    [
        struct.pack("<IIH", 0xFFFFFFFF, 1, 2) + b"{}",
        struct.pack("<IIH", 1025, 1, 2) + b"{}" + bytes(1021),
        struct.pack("<IIH", 2, 1, 5) + b"{}",
        struct.pack("<IIH", 0, 1, 0),
        struct.pack("<IIH", 4, 1, 2) + b"[]",
        struct.pack("<IIH", 4, 1, 2) + b"{\xff",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_frame_closes_only_its_own_connection(run: Run, path: Path, spoilt: bytes) -> None:
    async def talk() -> None:
        server, client = await serve_frames(path, echo, largest=1024), await FrameClient.connect(path)
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(spoilt)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert await client.call({"still": "there"}) == ({"still": "there"}, b"")
        client.close()
        await server.close()

    run(talk())


def test_too_large_a_question_is_refused_before_it_is_sent(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "LARGEST_FRAME", 1000)

    async def talk() -> None:
        server, client = await serve_frames(path, echo), await FrameClient.connect(path)
        with pytest.raises(ValueError, match="too large"):
            await client.call({}, bytes(1000))
        with pytest.raises(ValueError, match="too large"):
            await client.call({"x": "y" * 70_000})
        assert await client.call({}, b"small") == ({}, b"small")
        client.close()
        await server.close()

    run(talk())


def test_a_server_with_too_many_questions_stops_reading(run: Run, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond MOST_AT_ONCE they wait in the socket, and all are answered in the end."""
    monkeypatch.setattr(frames, "MOST_AT_ONCE", 4)

    async def talk() -> None:
        full, gate, running = asyncio.Event(), asyncio.Event(), 0

        async def wait(header: Header, body: bytes) -> tuple[Header, bytes]:
            nonlocal running
            running += 1
            if running == 4:
                full.set()
            await gate.wait()
            return header, body

        server, client = await serve_frames(path, wait), await FrameClient.connect(path)
        questions = [asyncio.ensure_future(client.call({"n": number}, bytes(300_000))) for number in range(40)]
        await full.wait()
        for _ in range(200):
            await asyncio.sleep(0)
        assert running < 8
        gate.set()
        assert [header["n"] for header, _ in await asyncio.gather(*questions)] == list(range(40))
        client.close()
        await server.close()

    run(talk())


def test_a_question_is_worked_off_even_when_the_asker_has_gone(run: Run, path: Path) -> None:
    """A request that was accepted takes effect; nobody but the asker may stop waiting for it."""

    async def talk() -> None:
        asked, gate, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def work(header: Header, body: bytes) -> tuple[Header, bytes]:
            asked.set()
            await gate.wait()
            done.set()
            return header, body

        server, client = await serve_frames(path, work), await FrameClient.connect(path)
        question = asyncio.ensure_future(client.call({}))
        await asked.wait()
        client.close()
        with pytest.raises(ConnectionError):
            await question
        gate.set()
        await done.wait()
        await server.close()

    run(talk())


def test_the_socket_is_the_owners_alone_and_replaces_one_left_behind(run: Run, path: Path) -> None:
    async def talk() -> None:
        path.touch()
        server = await serve_frames(path, echo)
        assert path.stat().st_mode & 0o777 == 0o600
        await server.close()

    run(talk())


@pytest.mark.parametrize("step", [1, 3, 10_000])
def test_the_reader_takes_any_pieces(step: int) -> None:
    stream = b"".join(b"".join(frames.encode(number, {"n": number}, bytes(number))) for number in range(50))
    reader = FrameReader()
    found = [frame for at in range(0, len(stream), step) for frame in reader.feed(stream[at : at + step])]
    assert found == [(number, {"n": number}, bytes(number)) for number in range(50)]


def test_the_reader_refuses_too_large_a_frame_at_its_first_bytes() -> None:
    with pytest.raises(FrameError):
        list(FrameReader(100).feed(struct.pack("<IIH", 101, 1, 2)))
