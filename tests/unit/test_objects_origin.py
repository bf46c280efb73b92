"""The raw HTTP client of one S3 server, against servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from sagewright.objects.body import ObjectBody
from sagewright.objects.origin import Headers, Origin, dial_tcp

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def origin(serve: Serve, patience: float = 5.0) -> AsyncIterator[Origin]:
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(served(serve, reader, writer))
        tasks.add(task)
        await asyncio.wait({task})

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    client = Origin(dial_tcp("127.0.0.1", server.sockets[0].getsockname()[1]), patience=patience)
    try:
        yield client
    finally:
        await client.close()
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def served(serve: Serve, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def script(*answers: bytes) -> tuple[Serve, list[bytes]]:
    """A server that answers each request head with the next answer, b"" cuts the connection; and what it was asked."""
    asked: list[bytes] = []
    queue = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while queue:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            answer = queue.pop(0)
            if not answer:
                return
            writer.write(answer)
            await writer.drain()
        await reader.read()

    return serve, asked


def headers(*more: tuple[str, str]) -> Headers:
    return [("host", "s3"), *more]


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


async def test_connection_is_kept_and_a_stale_one_replaced() -> None:
    """A kept connection that the server has closed meanwhile costs a try, not an error."""
    serve, asked = script(OK, OK, b"", OK)
    async with origin(serve) as client:
        for _ in range(3):
            answer = await client.exchange("GET", "/k?a=b", headers(), b"")
            assert (answer.status, await answer.read(10)) == (200, b"ok")
    assert asked == [b"GET /k?a=b HTTP/1.1\r\nhost: s3\r\n\r\n"] * 4


async def test_server_that_closes_without_a_word() -> None:
    serve, _ = script(b"")
    async with origin(serve) as client:
        with pytest.raises(ConnectionError):
            await client.exchange("GET", "/", headers(), b"")


async def test_server_that_breaks_off() -> None:
    async def cutting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await writer.drain()

    async with origin(cutting) as client:
        answer = await client.exchange("GET", "/", headers(), b"")
        with pytest.raises(ConnectionError):
            await answer.read(1000)


async def test_server_that_is_silent() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        await reader.read()

    async with origin(silent, patience=0.1) as client:
        with pytest.raises(TimeoutError):
            await client.exchange("GET", "/", headers(), b"")
        with pytest.raises(TimeoutError):
            await client.exchange("PUT", "/", headers(("content-length", "100000000")), parts(*[b"x" * 1_000_000] * 100))
    async with origin(half, patience=0.1) as client:
        answer = await client.exchange("GET", "/", headers(), b"")
        with pytest.raises(TimeoutError):
            await answer.read(1000)


async def test_nonsense() -> None:
    for text in (b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"):
        serve, _ = script(text)
        async with origin(serve) as client:
            with pytest.raises(ConnectionError):
                await client.exchange("GET", "/", headers(), b"")


async def test_bodies_both_ways() -> None:
    """Chunked out, chunked and unframed in, HEAD without a body, an interim answer passed over."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readuntil(b"0\r\n\r\n") == b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
        writer.write(
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        writer.write_eof()
        await reader.read()

    async with origin(serve) as client:
        answer = await client.exchange("PUT", "/", headers(("transfer-encoding", "chunked")), parts(b"ab", b"", b"cde"))
        assert await answer.read(10) == b"xyz"
        answer = await client.exchange("HEAD", "/", headers(), b"")
        assert (answer.header("content-length"), await answer.read(10)) == ("1000", b"")
        answer = await client.exchange("GET", "/", headers(), b"")
        assert await answer.read(100) == b"until the end"


async def test_refusal_before_the_whole_body() -> None:
    """The rest is not sent, and the connection not used again."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        await reader.read(1)

    async with origin(serve) as client:
        sent: list[int] = []

        async def endless() -> AsyncIterator[bytes]:
            for number in range(10_000):
                sent.append(number)
                yield b"x" * 100_000
                await asyncio.sleep(0)

        answer = await client.exchange("PUT", "/", headers(("content-length", "1000000000")), endless())
        assert (answer.status, await answer.read(10)) == (403, b"no")
        assert len(sent) < 10_000


async def test_body_that_fails_cuts_the_connection() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(100_000)
        finally:
            ended.set()

    async def failing() -> AsyncIterator[bytes]:
        yield b"x" * 100
        raise LookupError("the client's hash is wrong")

    async with origin(serve) as client:
        with pytest.raises(LookupError):
            await client.exchange("PUT", "/", headers(("content-length", "200000")), failing())
        await asyncio.wait_for(ended.wait(), 5)


async def test_answer_longer_than_expected() -> None:
    serve, _ = script(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000)
    async with origin(serve) as client:
        answer = await client.exchange("GET", "/", headers(), b"")
        with pytest.raises(ConnectionError):
            await answer.read(1000)


async def test_nobody_there() -> None:
    client = Origin(dial_tcp("127.0.0.1", 1))
    with pytest.raises(ConnectionError):
        await client.exchange("GET", "/", headers(), b"")


async def test_line_breaks_do_not_leave() -> None:
    client = Origin(dial_tcp("127.0.0.1", 1))
    for target, field in (("/a b", "x"), ("/a\r\nb", "x"), ("/", "a\r\nb: c"), ("/", "a\nb")):
        with pytest.raises(ValueError, match="line break"):
            await client.exchange("GET", target, headers(("x", field)), b"")


LONG = bytes(range(256)) * 8192


def answering(*bodies: bytes) -> tuple[Serve, list[bytes]]:
    return script(*(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body for body in bodies))


async def test_a_long_body_straight_from_its_socket() -> None:
    """Into memory that is there, in parts or at once; the connection is kept for the next exchange."""
    serve, asked = answering(LONG, LONG, b"ok")
    async with origin(serve) as client:
        for step in (len(LONG), 300_000):
            answer, memory = await client.exchange("GET", "/", headers(), b""), bytearray(len(LONG))
            direct = answer.parts.direct()
            assert direct is not None
            with direct:
                for start in range(0, len(LONG), step):
                    await direct.read_into(memoryview(memory)[start : start + step])
            assert memory == LONG
            assert await answer.read(10) == b""
        connection = (await client.exchange("GET", "/", headers(), b"")).parts
        assert b"".join([part async for part in connection]) == b"ok"
    assert len(asked) == 3


async def test_a_body_that_is_not_taken_whole_costs_the_connection() -> None:
    serve, _ = answering(LONG, b"ok")
    async with origin(serve) as client:
        direct = (await client.exchange("GET", "/", headers(), b"")).parts.direct()
        assert direct is not None
        with direct:
            await direct.read_into(memoryview(bytearray(1000)))
        assert await (await client.exchange("GET", "/", headers(), b"")).read(10) == b"ok"


@pytest.mark.parametrize(("ends", "error"), [(True, ConnectionError), (False, TimeoutError)])
async def test_a_long_body_that_does_not_come(ends: bool, error: type[Exception]) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\nabc")
        await writer.drain()
        await (asyncio.sleep(0) if ends else reader.read())

    async with origin(half, patience=0.2) as client:
        direct = (await client.exchange("GET", "/", headers(), b"")).parts.direct()
        assert direct is not None
        with direct, pytest.raises(error):
            await direct.read_into(memoryview(bytearray(5_000_000)))


async def test_a_body_in_chunks_is_not_there_as_it_is() -> None:
    serve, _ = script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n", OK)
    async with origin(serve) as client:
        for body in (b"xyz", b"ok"):
            answer = await client.exchange("GET", "/", headers(), b"")
            assert answer.parts.direct() is None
            assert await answer.read(10) == body


async def test_an_object_is_filled_in_whichever_way_it_comes() -> None:
    """In chunks it must be looked at; and what does not come in full is an error, not fewer bytes."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    serve, asked = script(chunked, chunked, OK)
    async with origin(serve) as client:
        body, memory = ObjectBody(await client.exchange("GET", "/", headers(), b"")), memoryview(bytearray(5))
        await body.fill(memory[:3])
        await body.fill(memory[3:])
        assert memory == b"abcde"
        await body.close()
        await body.close()
        with pytest.raises(ConnectionError):
            await ObjectBody(await client.exchange("GET", "/", headers(), b"")).fill(memoryview(bytearray(6)))
        assert await (await client.exchange("GET", "/", headers(), b"")).read(10) == b"ok"
    assert len(asked) == 3
