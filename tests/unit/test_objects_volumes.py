"""Which chunks make up a range of an object, and their bytes as one body. Feature row B01."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from typing import Any

import pytest

from sagewright.front.s3ranges import SHORTEST, LongRange
from sagewright.front.s3target import S3Target
from sagewright.objects.origin import Origin, OriginAnswer, dial_tcp
from sagewright.objects.pieces import Piece, PieceParts
from sagewright.objects.volumes import Chunk, Version, Volumes, chunks_of, pieces_of
from sagewright.wire.http import Request

VERSION = Version("/bucket/key", '"tag-2"', "Sat, 21 Nov 2026 02:16:07 GMT", 10)
CHUNKS = (Chunk("1,a", 0, 4), Chunk("1,b", 4, 4), Chunk("1,c", 8, 2))


def entry(**changes: Any) -> dict[str, Any]:
    chunks = [
        {"file_id": "1,b", "offset": 4, "size": 4, "e_tag": "x", "fid": {"volume_id": 1}, "modified_ts_ns": 5},
        {"file_id": "1,a", "size": 4},
        {"file_id": "1,c", "offset": 8, "size": 2, "is_compressed": False},
    ]
    kept = {"Seaweed-X-Amz-ETag": b64encode(b"tag-2").decode()}
    return {"FileSize": 10, "Extended": kept, "Content": None, "Remote": None, "chunks": chunks} | changes


def with_first(**changes: Any) -> dict[str, Any]:
    plain = entry()
    plain["chunks"][0] |= changes
    return plain


def test_chunks_in_order() -> None:
    assert chunks_of(entry(), VERSION) == CHUNKS


@pytest.mark.parametrize(
    "odd",
    [
        {},
        entry(chunks=None),
        entry(Content="aGk="),
        entry(Remote={"size": 10}),
        entry(FileSize=11),
        entry(Extended=None),
        entry(Extended={"Seaweed-X-Amz-ETag": b64encode(b"tag-3").decode()}),
        entry(Extended={"Seaweed-X-Amz-ETag": "!"}),
        with_first(is_compressed=True),
        with_first(cipher_key="a2V5"),
        with_first(is_chunk_manifest=True),
        with_first(sse_type=1),
        with_first(file_id=""),
        with_first(offset=3),
        with_first(offset=5),
        with_first(size=5),
        with_first(size=0),
    ],
)
def test_what_is_not_plain_has_no_chunks(odd: dict[str, Any]) -> None:
    """Compressed, encrypted, further lists, content elsewhere, gaps, overlaps, another version: the gateway's."""
    assert chunks_of(odd, VERSION) == ()


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, 4, [("/1,a", 0, 4)]),
        (1, 3, [("/1,a", 1, 3)]),
        (2, 6, [("/1,a", 2, 4), ("/1,b", 0, 2)]),
        (3, 10, [("/1,a", 3, 4), ("/1,b", 0, 4), ("/1,c", 0, 2)]),
        (9, 10, [("/1,c", 1, 2)]),
        (9, 11, []),
        (4, 4, []),
    ],
)
def test_pieces_of_a_range(start: int, stop: int, expected: list[tuple[str, int, int]]) -> None:
    assert [(piece.target, piece.start, piece.stop) for piece in pieces_of(CHUNKS, start, stop)] == expected


def test_a_whole_chunk_is_asked_for_without_a_range() -> None:
    assert Piece("/1,a", 0, 4, 4).headers == [("Host", "volume")]
    assert Piece("/1,a", 1, 4, 4).headers == [("Host", "volume"), ("Range", "bytes=1-3")]


MB = 1 << 20


def asked(headers: dict[str, str], method: str = "GET", target: str = "/bucket/key", query: str = "") -> LongRange | None:
    request = Request(method, target, query, headers)
    return LongRange.asked(request, S3Target.of(request))


def test_which_requests_are_long() -> None:
    assert asked({"range": f"bytes=5-{SHORTEST + 4}"}) == LongRange(5, SHORTEST + 5)
    for header in (f"bytes=5-{SHORTEST + 3}", "bytes=0-", "bytes=-9999999", "bytes=9-1", f"bytes=0-{MB},9-{3 * MB}", ""):
        assert asked({"range": header}) is None
    long = {"range": f"bytes=0-{8 * MB}"}
    assert asked(long, method="HEAD") is None
    assert asked(long, query="versionId=1") is None
    assert asked(long, query="response-content-type=a") is None
    assert asked(long, target="/bucket") is None
    assert asked(long, target="/../key") is None
    assert asked(long | {"x-amz-server-side-encryption-customer-key": "k"}) is None
    assert asked(long | {"content-length": "3"}) is None


@pytest.mark.parametrize(
    ("status", "change", "plain"),
    [
        (206, {}, True),
        (200, {}, False),
        (206, {"content-range": "bytes 0-0/9000000"}, False),
        (206, {"content-range": "bytes 5-6/9000000"}, False),
        (206, {"x-amz-server-side-encryption": "AES256"}, False),
        (206, {"x-amz-version-id": "null"}, False),
        (206, {"etag": ""}, False),
    ],
)
def test_what_the_gateway_says_decides(status: int, change: dict[str, str], plain: bool) -> None:
    headers = {"content-range": "bytes 5-5/9000000", "content-length": "1", "etag": '"e"', "last-modified": "m"} | change
    answer = OriginAnswer(status, list(headers.items()), None)  # type: ignore[arg-type]
    wanted = LongRange(5, 5 + 2 * MB)
    version = wanted.version(answer, S3Target("bucket", b"a b", [], []))
    assert version == (Version("/bucket/a%20b", '"e"', "m", 9000000) if plain else None)
    shown = dict(wanted.headers(answer.headers, wanted.stop, 9000000))
    assert (shown["content-length"], shown["content-range"]) == (str(2 * MB), f"bytes 5-{2 * MB + 4}/9000000")


class Server:
    """A volume server or filer: bodies by target."""

    def __init__(self, bodies: dict[str, bytes]) -> None:
        self.bodies = bodies
        self.asked: list[str] = []

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.origin = Origin(dial_tcp("127.0.0.1", self._server.sockets[0].getsockname()[1]), patience=5.0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.origin.close()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head.decode(), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        target = head.split(" ")[1]
        self.asked.append(target)
        body, status = self.bodies.get(target), 200
        if body is None:
            body, status = b"", 404
        elif "Range: " in head:
            first, _, last = head.partition("Range: bytes=")[2].partition("\r")[0].partition("-")
            body, status = body[int(first) : int(last) + 1], 206
        writer.write(f"HTTP/1.1 {status} -\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()


PARTS = {"/1,a": os.urandom(3 * MB), "/1,b": os.urandom(1000), "/1,c": os.urandom(2 * MB)}
PIECES = [Piece("/1,a", 5, 3 * MB, 3 * MB), Piece("/1,b", 0, 1000, 1000), Piece("/1,c", 0, 2 * MB - 9, 2 * MB)]
EXPECTED = PARTS["/1,a"][5:] + PARTS["/1,b"] + PARTS["/1,c"][:-9]


async def spliced(parts: PieceParts) -> bytes:
    """The body as it comes out of the pipe."""
    direct = parts.direct()
    assert direct is not None
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    found = bytearray()
    try:
        with direct:
            while direct.left:
                count = await direct.splice(writing, 65536)
                assert count
                found += os.read(reading, count)
    finally:
        os.close(reading)
        os.close(writing)
    return bytes(found)


async def joined(parts: PieceParts) -> bytes:
    return b"".join([part async for part in parts])


@pytest.mark.parametrize("take", [spliced, joined])
def test_pieces_are_one_body(take: Any) -> None:
    """From one connection, which is used again."""

    async def run() -> None:
        async with Server(PARTS) as server:
            assert await take(PieceParts(server.origin, PIECES)) == EXPECTED
            assert len(server.origin._pool) == 1

    asyncio.run(run())


@pytest.mark.parametrize("take", [spliced, joined])
def test_a_piece_that_is_gone_is_an_error(take: Any) -> None:
    async def run() -> None:
        async with Server({**PARTS}) as server:
            del server.bodies["/1,c"]
            with pytest.raises(ConnectionError, match="not there any more"):
                await take(PieceParts(server.origin, PIECES))

    asyncio.run(run())


def test_an_unread_body_gives_its_connection_back() -> None:
    async def run() -> None:
        async with Server(PARTS) as server:
            parts = PieceParts(server.origin, PIECES)
            await parts.begin()
            await parts.aclose()
            assert await joined(parts) == b""

    asyncio.run(run())


def test_a_list_is_asked_for_once_and_again_when_chunks_are_gone() -> None:
    """A version that was replaced by the same bytes has other chunks."""
    location = "/buckets/bucket/key?metadata=true&resolveManifest=true"
    listed = b'{"FileSize": 6, "Extended": {"Seaweed-X-Amz-ETag": "dGFnLTI="}, "chunks": [{"file_id": "%s", "size": 6}]}'
    version = Version("/bucket/key", '"tag-2"', "m", 6)

    async def run() -> None:
        async with Server({location: listed % b"1,a"}) as filer, Server({"/1,a": b"abcdef"}) as volume:
            volumes = Volumes(filer.origin, volume.origin)

            async def read(start: int, stop: int) -> bytes | None:
                parts = await volumes.read(version, start, stop)
                return await joined(parts) if parts is not None else None

            assert (await read(0, 3), await read(3, 6), await read(3, 7)) == (b"abc", b"def", None)
            assert filer.asked == [location]
            volume.bodies = {"/1,d": b"abcdef"}
            filer.bodies[location] = listed % b"1,d"
            assert (await read(0, 6), await read(0, 6)) == (None, b"abcdef")
            filer.bodies.clear()
            assert await volumes.read(Version("/bucket/key", '"tag-4"', "m", 6), 0, 6) is None

    asyncio.run(run())
