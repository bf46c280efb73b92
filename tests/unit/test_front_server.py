"""The front's HTTP server: what RFC 9112 and a hostile client ask of it. Real sockets, no gateway."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sagewright.front.body import Body
from sagewright.front.exchange import Patience
from sagewright.front.server import Server
from sagewright.front.streamed import Answer, Streamed
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response

LIMIT = 1000
LARGE_LIMIT = 2_000_000


class Echo:
    """Answers with what it got; paths choose how."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.gate = asyncio.Event()
        self.cancelled = 0
        self.closed = 0

    def body_limit(self, head: Request) -> int | None:
        return None if head.path.startswith("/stream") else LARGE_LIMIT if head.path == "/large" else LIMIT

    def refuse(self, head: Request, fault: Fault) -> Response:
        return Response(fault.status, [("Content-Type", "text/plain")], fault.code.encode())

    async def answer(self, request: Request, body: Body | None) -> Answer:
        self.seen.append(request)
        if request.path == "/wait":
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if request.path == "/parts":
            return Streamed(200, [], self.parts(200_000, 50))
        if request.path == "/endless":
            return Streamed(200, [("Content-Length", str(10**12))], self.parts(65536, 10**8))
        if request.path == "/short":
            return Streamed(200, [("Content-Length", "100")], self.parts(10, 2))
        if request.path == "/inject":
            return Response(200, [("X-Custom", "a\r\nEvil: yes"), ("X-Text", "h€llo")])
        if request.path == "/none":
            return Response(204)
        if request.path == "/stream/early":
            return Response(403, [], b"no")
        if body is not None:
            try:
                return Response(200, [], str(len(await body.gather(10**9) or b"")).encode())
            except Fault as fault:
                return Response(fault.status, [], fault.code.encode())
        return Response(
            200, [("Content-Type", "text/plain")], f"{request.method} {request.path}?{request.query} ".encode() + request.body
        )

    async def parts(self, size: int, count: int) -> Any:
        try:
            for _ in range(count):
                yield b"x" * size
        finally:
            self.closed += 1


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *data: bytes) -> None:
        for part in data:
            self.writer.write(part)
            await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        lines = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)).decode("latin-1").split("\r\n")
        return int(lines[0].split()[1]), {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)
        }

    async def answer(self) -> tuple[int, bytes]:
        status, headers = await self.head()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
            return status, body
        return status, await self.reader.readexactly(int(headers.get("content-length", "0")))

    async def closed(self) -> bool:
        return await asyncio.wait_for(self.reader.read(), 10) == b""


Connect = Callable[[], Any]


class Rig:
    def __init__(self, echo: Echo, server: Server, port: int) -> None:
        self.echo = echo
        self.server = server
        self.port = port

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Rig]:
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    echo = Echo()
    server = Server(echo, **options)
    port = await server.start("127.0.0.1", 0)
    try:
        yield Rig(echo, server, port)
    finally:
        echo.gate.set()
        await server.stop(2.0)
    assert problems == []


async def test_keep_alive_and_pipelining() -> None:
    """Answers in order, one connection, several requests in one packet."""
    async with serving() as rig, rig.client() as client:
        await client.send(b"GET /a?b=%20c HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz" * 100)
        for _ in range(100):
            assert await client.answer() == (200, b"GET /a?b=%20c ")
            assert await client.answer() == (200, b"POST /b? xyz")
        await client.send(b"GET /c HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert await client.answer() == (200, b"GET /c? ")
        assert await client.closed()


async def test_request_in_single_bytes() -> None:
    async with serving() as rig, rig.client() as client:
        request = b"POST /slow HTTP/1.1\r\nX-Twice: a\r\nx-twice: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;e=1\r\nde\r\n0\r\n\r\n"
        await client.send(*(bytes([byte]) for byte in request))
        assert await client.answer() == (200, b"POST /slow? abcde")
        assert rig.echo.seen[0].headers["x-twice"] == "a,b"


@pytest.mark.parametrize("packet", [1460, 300_000, 10**7])
async def test_large_bodies_keep_their_place(packet: int) -> None:
    """However they are cut into packets, they arrive whole, and what follows them is the next request."""
    body = random.Random(packet).randbytes(1_000_000)
    large = b"POST /large HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + body
    requests = (large + b"GET /after HTTP/1.1\r\n\r\n") * 2
    async with serving() as rig, rig.client() as client:
        sending = asyncio.create_task(client.send(*(requests[at : at + packet] for at in range(0, len(requests), packet))))
        for _ in range(2):
            assert await client.answer() == (200, b"POST /large? " + body)
            assert await client.answer() == (200, b"GET /after? ")
        await sending
        await client.send(b"POST /large HTTP/1.1\r\nContent-Length: 2000001\r\n\r\n" + body)
        assert (await client.answer())[0] == 413


async def test_head_and_bodiless_answers() -> None:
    async with serving() as rig, rig.client() as client:
        await client.send(b"HEAD /a HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
        assert (await client.head())[1]["content-length"] == "9"
        status, headers = await client.head()
        assert (status, "content-length" in headers) == (204, False)
        assert await client.answer() == (200, b"GET /b? ")


async def test_old_clients() -> None:
    """HTTP/1.0 is answered without chunks and closed, unless it asks for keep-alive."""
    async with serving() as rig:
        async with rig.client() as client:
            await client.send(b"GET /parts HTTP/1.0\r\n\r\n")
            assert "transfer-encoding" not in (await client.head())[1]
            assert len(await client.reader.read()) == 10_000_000
        async with rig.client() as client:
            await client.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (await client.head())[1]["connection"] == "keep-alive"


async def test_upgrade_is_ignored() -> None:
    """Java's client offers h2c with its first request; it must go on in HTTP/1.1."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
    async with serving() as rig, rig.client() as client:
        await client.send(
            b"GET /a HTTP/1.1\r\n" + offer + b"\r\n", b"POST /b HTTP/1.1\r\n" + offer + b"Content-Length: 2\r\n\r\nok"
        )
        assert await client.answer() == (200, b"GET /a? ")
        assert await client.answer() == (200, b"POST /b? ok")
        await client.send(b"GET /c HTTP/1.1\r\n\r\n")
        assert await client.answer() == (200, b"GET /c? ")


async def test_absolute_target_and_no_path() -> None:
    async with serving() as rig:
        async with rig.client() as client:
            await client.send(b"GET http://host:1/p/q?r HTTP/1.1\r\nHost: host\r\n\r\n")
            assert await client.answer() == (200, b"GET /p/q?r ")
        for target in (b"OPTIONS * ", b"CONNECT host:443 "):
            async with rig.client() as client:
                await client.send(target + b"HTTP/1.1\r\nHost: host\r\n\r\n")
                assert (await client.head())[0] == 400


async def test_expect_continue() -> None:
    """100-continue only for a body that will be read."""
    async with serving() as rig:
        async with rig.client() as client:
            await client.send(b"PUT /stream HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            assert (await client.head())[0] == 100
            await client.send(b"hello")
            assert await client.answer() == (200, b"5")
            await client.send(b"PUT /small HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            assert (await client.head())[0] == 100
            await client.send(b"hello")
            assert await client.answer() == (200, b"PUT /small? hello")
        for path in (b"/stream/early", b"/too-large"):
            async with rig.client() as client:
                await client.send(b"PUT " + path + b" HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n")
                status, headers = await client.head()
                assert (status in (403, 413), headers["connection"]) == (True, "close")


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_body_limit(framing: str) -> None:
    """A client that sends all of a body that is too large still gets to read why."""
    async with serving() as rig, rig.client() as client:
        if framing == "length":
            await client.send(b"POST /x HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n", b"x" * 9_000_000)
        else:
            await client.send(
                b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"800\r\n" + b"x" * 2048 + b"\r\n"] * 4000
            )
        assert await client.answer() == (413, b"RequestEntityTooLargeException")
        assert await client.closed()
        assert rig.echo.seen == []


async def test_early_answer_to_an_upload() -> None:
    async with serving() as rig, rig.client() as client:
        await client.send(b"PUT /stream/early HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n", b"x" * 5_000_000)
        assert await client.answer() == (403, b"no")


async def test_streamed_answers() -> None:
    async with serving() as rig, rig.client() as client:
        await client.send(b"GET /parts HTTP/1.1\r\n\r\nGET /a HTTP/1.1\r\n\r\n")
        assert await client.answer() == (200, b"x" * 10_000_000)
        assert await client.answer() == (200, b"GET /a? ")
        assert rig.echo.closed == 1


async def test_answer_that_breaks_its_promise_is_cut() -> None:
    async with serving() as rig, rig.client() as client:
        await client.send(b"GET /short HTTP/1.1\r\n\r\n")
        await client.head()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.reader.readexactly(100)


async def test_client_that_goes_away() -> None:
    """Work for a client that has gone is cancelled, and what feeds its answer is closed."""
    async with serving() as rig:
        async with rig.client() as client:
            await client.send(b"GET /wait HTTP/1.1\r\n\r\n")
            await reached(lambda: len(rig.echo.seen) == 1)
        await reached(lambda: rig.echo.cancelled == 1)
        async with rig.client() as client:
            await client.send(b"GET /endless HTTP/1.1\r\n\r\n")
            await client.head()
        await reached(lambda: rig.echo.closed == 1)


async def test_headers_cannot_be_injected() -> None:
    async with serving() as rig, rig.client() as client:
        await client.send(b"GET /inject HTTP/1.1\r\n\r\n")
        _, headers = await client.head()
        assert headers["x-custom"] == "a  Evil: yes"
        assert "evil" not in headers


MALFORMED = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GARBAGE\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nA b: c\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
]


@pytest.mark.parametrize("request_bytes", MALFORMED)
async def test_malformed_requests(request_bytes: bytes) -> None:
    """400 and the end of the connection; never a second reading of the same bytes (request smuggling)."""
    async with serving() as rig, rig.client() as client:
        await client.send(request_bytes)
        status, body = await client.answer()
        assert (status, b"Traceback" in body) == (400, False)
        assert await client.closed()
        assert rig.echo.seen == []


async def test_malformed_streamed_body() -> None:
    async with serving() as rig, rig.client() as client:
        await client.send(b"PUT /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"zz\r\n")
        assert await client.answer() == (400, b"InvalidRequest")
        assert await client.closed()


async def test_malformed_after_good_ones() -> None:
    async with serving() as rig, rig.client() as client:
        await client.send(b"GET /wait HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGARBAGE\r\n\r\n")
        rig.echo.gate.set()
        assert await client.answer() == (200, b"GET /wait? ")
        assert await client.answer() == (200, b"GET /b? ")
        assert (await client.answer())[0] == 400


async def test_long_heads() -> None:
    for head in (b"X-Long: " + b"x" * 70_000, b"X: y\r\n" * 300, b"X-%d: y\r\n" * 20_000):
        async with serving() as rig, rig.client() as client:
            with contextlib.suppress(ConnectionError):
                await client.send(b"GET / HTTP/1.1\r\n" + head + b"\r\n\r\n")
            assert (await client.head())[0] in (400, 431)
            assert rig.echo.seen == []


async def test_head_that_never_ends() -> None:
    async with serving() as rig, rig.client() as client:
        await client.send(b"GET / HTTP/1.1\r\nX: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                await client.send(b"x" * 10_000)
        assert (await client.head())[0] in (400, 431)


IMPATIENT = Patience(head=0.2, body=0.3, silence=0.3, idle=0.2, linger=0.2)


async def test_slow_clients() -> None:
    """Slow loris: a head, a body or a next request that does not come does not hold a connection."""
    async with serving(patience=IMPATIENT) as rig:
        for opening in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nA: b\r\n", b"POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"):
            async with rig.client() as client:
                await client.send(opening)
                if opening:
                    assert (await client.head())[0] == 408
                await asyncio.wait_for(client.reader.read(), 5)
        async with rig.client() as client:
            await client.send(b"PUT /stream HTTP/1.1\r\nContent-Length: 5\r\n\r\nab")
            assert await client.answer() == (400, b"RequestTimeout")
        async with rig.client() as client:
            await client.send(b"GET /a HTTP/1.1\r\n\r\n")
            assert (await client.answer())[0] == 200
            assert await client.closed()


async def test_reader_that_stops_reading() -> None:
    async with serving(patience=IMPATIENT) as rig, rig.client() as client:
        await client.send(b"GET /endless HTTP/1.1\r\n\r\n")
        await reached(lambda: rig.echo.closed == 1)


async def test_answer_may_take_longer_than_all_patience() -> None:
    async with serving(patience=IMPATIENT) as rig, rig.client() as client:
        await client.send(b"POST /wait HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
        await reached(lambda: len(rig.echo.seen) == 1)
        asyncio.get_running_loop().call_later(0.8, rig.echo.gate.set)
        assert (await client.answer())[0] == 200


async def test_pipeline_is_bounded() -> None:
    """A client that sends requests without reading answers is not read from any further."""
    async with serving() as rig, rig.client() as client:
        await client.send(b"GET /wait HTTP/1.1\r\n\r\n")
        flood = b"GET /y HTTP/1.1\r\n\r\n" * 20_000
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.send(*[flood] * 100), 1.0)


async def test_large_packets_that_end_within_a_head() -> None:
    """What counts against the limit of a head is the head, not what came before it in the same packet."""
    request = b"POST /x HTTP/1.1\r\nContent-Length: 900\r\n\r\n" + b"x" * 900
    async with serving() as rig, rig.client() as client:

        async def read() -> None:
            for _ in range(1000):
                assert (await client.answer())[0] == 200

        reading = asyncio.create_task(read())
        await client.send(request * 1000)
        await asyncio.wait_for(reading, 10)


async def test_too_many_connections() -> None:
    async with serving(connections=2) as rig, rig.client() as first, rig.client() as second, rig.client() as third:
        assert (await third.head())[0] == 503
        for client in (first, second):
            await client.send(b"GET /a HTTP/1.1\r\n\r\n")
            assert (await client.answer())[0] == 200


async def test_graceful_stop() -> None:
    """What is under way is answered, what is idle closed, nobody new let in."""
    async with serving() as rig, rig.client() as busy, rig.client() as idle:
        await busy.send(b"GET /wait HTTP/1.1\r\n\r\n")
        await idle.send(b"GET /a HTTP/1.1\r\n\r\n")
        await idle.answer()
        await reached(lambda: len(rig.echo.seen) == 2)
        stopping = asyncio.create_task(rig.server.stop(5.0))
        assert await idle.closed()
        with pytest.raises(OSError, match="Connect call failed"):
            async with rig.client():
                pass
        rig.echo.gate.set()
        status, headers = await busy.head()
        assert (status, headers["connection"]) == (200, "close")
        await stopping


async def test_fuzz() -> None:
    """Damaged requests, also cut anywhere: an answer or an end, and the server lives."""
    chance = random.Random(20)
    seeds = [
        b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
        b"PUT /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ]
    async with serving(patience=IMPATIENT) as rig:
        for _ in range(300):
            data = bytearray(chance.choice(seeds))
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(data))
                data[at : at + chance.randint(0, 3)] = bytes(chance.randrange(256) for _ in range(chance.randint(0, 3)))
            async with rig.client() as client:
                await client.send(bytes(data))
                client.writer.write_eof()
                with contextlib.suppress(ConnectionError):
                    await asyncio.wait_for(client.reader.read(), 5)
        async with rig.client() as client:
            await client.send(b"GET /alive HTTP/1.1\r\n\r\n")
            assert await client.answer() == (200, b"GET /alive? ")


async def reached(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110 - the event is at the other end of a socket
            await asyncio.sleep(0.005)
