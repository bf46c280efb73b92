"""Long answers of another server, which the front passes on from socket to socket. Feature row B01."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from sagewright.front.exchange import Patience
from sagewright.front.server import Server
from sagewright.front.streamed import Answer, Streamed
from sagewright.objects.origin import Origin, dial_tcp
from sagewright.wire.http import Request, Response

BODY = bytes(range(256)) * 40_000
GET = b"GET %s HTTP/1.1\r\n\r\n"


class Passing:
    """Asks the server behind for every path."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.ended = 0

    def body_limit(self, head: Request) -> int | None:
        return 1000

    def refuse(self, head: Request, fault: Any) -> Response:
        return Response(400, [], b"")

    async def answer(self, request: Request, body: Any) -> Answer:
        found = await self.origin.exchange("GET", request.path, [("host", "s3")], b"")
        return Streamed(found.status, found.headers, found.parts)


async def behind(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """/whole is answered with BODY, /half breaks off, /endless goes on as long as somebody takes it."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
            length = 10**12 if path == b"/endless" else len(BODY)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
            for start in range(0, length, 1 << 16):
                if path == b"/half" and start >= len(BODY) // 2:
                    return writer.close()
                writer.write(BODY[start : start + (1 << 16)] if path != b"/endless" else bytes(1 << 16))
                await writer.drain()
    return None


@contextlib.asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Callable[[], Any]]:
    """Gives what connects to a front before such a server."""
    gone = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behind(reader, writer)
        finally:
            writer.transport.abort()
            gone.set()

    upstream = await asyncio.start_server(connected, "127.0.0.1", 0)
    origin = Origin(dial_tcp("127.0.0.1", upstream.sockets[0].getsockname()[1]))
    front = Server(Passing(origin), **options)
    port = await front.start("127.0.0.1", 0)

    @contextlib.asynccontextmanager
    async def connect() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.Event]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer, gone
        finally:
            writer.transport.abort()

    try:
        yield connect
    finally:
        await front.stop(2.0)
        await origin.close()
        upstream.close()
        await asyncio.wait_for(gone.wait(), 5)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_one_after_the_other_on_one_connection(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Also for a client that sends all its requests at once; and on the event loop that the front has."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(three_answers())


async def three_answers() -> None:
    async with serving() as connect, connect() as (reader, writer, _):
        writer.write(GET % b"/whole" * 3)
        for _ in range(3):
            assert b" 200 OK" in await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(len(BODY)) == BODY


async def test_an_answer_that_breaks_off_is_cut() -> None:
    async with serving() as connect, connect() as (reader, writer, _):
        writer.write(GET % b"/half")
        await reader.readuntil(b"\r\n\r\n")
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await asyncio.wait_for(reader.readexactly(len(BODY)), 5)


async def test_a_client_that_goes_away_ends_the_transfer() -> None:
    async with serving() as connect:
        async with connect() as (reader, writer, gone):
            writer.write(GET % b"/endless")
            await reader.readexactly(1 << 22)
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_client_that_takes_nothing_is_cut() -> None:
    async with serving(patience=Patience(silence=0.2)) as connect, connect() as (reader, writer, gone):
        writer.write(GET % b"/endless")
        await reader.readexactly(1 << 22)
        await asyncio.wait_for(gone.wait(), 10)
