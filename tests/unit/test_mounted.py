"""Channels as file systems, without a kernel: names, read-ahead, nodes and what is described before a training. Feature row G07."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.objects import MemoryObjects

from sagewright.objects.mounted import patient, protocol
from sagewright.objects.mounted.channel import describe_channel, description
from sagewright.objects.mounted.names import Fixed, Listed, Named, Names, line_of, read_fixed
from sagewright.objects.mounted.nodes import Nodes
from sagewright.objects.mounted.reader import BLOCK, Blocks, Reader
from sagewright.objects.mounted.session import Errors, Session
from sagewright.objects.s3 import Location, Stored
from sagewright.objects.transfer import Access, Share, TransferError

ACCESS = Access("us-east-1", "arn:aws:iam::123456789012:role/r")


def objects_of(*keys: str) -> MemoryObjects:
    objects = MemoryObjects("bk")
    for key in keys:
        objects.put(f"s3://bk/{key}", key.encode())
    return objects


async def names_in(names: Names, folder: str = "") -> list[str]:
    return [named.name if named.stored else f"{named.name}/" async for named in names.entries(folder)]


# Names


async def test_keys_are_folders_and_files() -> None:
    """Keys with steps that no file can have are not shown: the others are."""
    names = Listed(objects_of("t/a", "t/b/c", "t/b/d/e", "t/b//x", "t/../y", "t/é", f"t/{'x' * 256}"), Location("bk", "t/"))
    assert await names_in(names) == ["a", "é", "b/"]
    assert await names_in(names, "b/") == ["c", "d/"]
    found = [await names.look("", name) for name in ("a", "b", "none", "..", "x" * 256)]
    assert [named and bool(named.stored) for named in found] == [True, False, None, None, None]
    assert await names.look("b/d/", "e") == Named("e", await objects_of("t/b/d/e").head(Location("bk", "t/b/d/e")))


async def test_the_beginning_of_a_name_shows_only_what_begins_with_it() -> None:
    names = Listed(objects_of("t/train.csv", "t/train/x", "t/test.csv"), Location("bk", "t/"), "train")
    assert await names_in(names) == ["train.csv", "train/"]
    assert await names.look("", "test.csv") is None
    assert await names_in(names, "train/") == ["x"]


async def test_a_name_is_found_without_listing_the_others() -> None:
    """G07: opening a file costs the same for any prefix size."""
    objects = objects_of(*(f"t/{number:05}" for number in range(20_000)))
    names = Listed(objects, Location("bk", "t/"))
    assert await names.look("", "19999") is not None
    assert objects.listed == 0


async def test_given_paths_are_a_tree(tmp_path: Path) -> None:
    items = [(path, Stored(Location("bk", f"any/{path}"), 3, 1.5, "e")) for path in ("a", "b/c", "b/d/e")]
    (tmp_path / "names").write_text("".join(line_of(*item) for item in items))
    names = read_fixed(tmp_path / "names")
    assert await names_in(names) == ["a", "b/"]
    assert await names_in(names, "b/") == ["c", "d/"]
    assert await names.look("b/d/", "e") == Named("e", items[2][1])
    assert await names_in(names, "none/") == []


async def test_an_s3_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that breaks off goes on behind what was given; who waits too long gets the error."""
    monkeypatch.setattr(patient, "PAUSE", 0.0)
    objects, told = objects_of("t/a", "t/b", "t/c"), list[OSError]()
    names = patient.PatientNames(Listed(objects, Location("bk", "t/")), told.append)
    stored = await objects.head(Location("bk", "t/b"))
    fetch = patient.ranges(objects, back_after(objects, 2, told))

    listing = names.entries("")
    assert (await anext(listing)).name == "a"
    objects.away = True
    memory = bytearray(2)
    await fetch(stored, 1, memoryview(memory))
    assert memory == b"/b"
    assert [named.name async for named in listing] == ["b", "c"]
    assert len(told) == 2

    objects.away = True
    monkeypatch.setattr(patient, "PATIENCE", -1.0)
    with pytest.raises(ConnectionError):
        await names.look("", "a")


def back_after(objects: MemoryObjects, times: int, told: list[OSError]) -> Any:
    def tell(error: OSError) -> None:
        told.append(error)
        objects.away = len(told) < times

    return tell


# What a channel will show


def channel(uri: str, **source: Any) -> dict[str, Any]:
    return {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, **source}}}


def shares(tmp_path: Path, count: int = 1) -> list[Share]:
    return [Share(tmp_path / f"{n}" / "train", tmp_path / f"marks{n}" / "channel-train") for n in range(count)]


@pytest.mark.parametrize(
    ("uri", "prefix", "beginning"),
    [
        ("s3://bk/t/", "t/", ""),
        ("s3://bk/t", "t/", ""),
        ("s3://bk", "", ""),
        ("s3://bk/t/a.csv", "t/", "a.csv"),
        ("s3://bk/t/a", "t/", "a"),
    ],
)
async def test_a_prefix_is_a_folder_or_the_beginning_of_names(uri: str, prefix: str, beginning: str, tmp_path: Path) -> None:
    (share,) = shares(tmp_path)
    await describe_channel(objects_of("t/a.csv", "t/b/c"), channel(uri), [share], ACCESS)
    assert description(share.marker) == {"prefix": ["bk", prefix], "beginning": beginning}
    assert list(share.folder.iterdir()) == []


async def test_nothing_is_listed_twice_and_nothing_moved(tmp_path: Path) -> None:
    objects = objects_of(*(f"t/{number}" for number in range(50_000)))
    await describe_channel(objects, channel("s3://bk/t"), shares(tmp_path), ACCESS)
    assert objects.listed == 1
    assert objects.downloads == []
    objects.away = True
    await describe_channel(objects, channel("s3://bk/t"), shares(tmp_path), ACCESS)


async def test_hosts_share_the_keys(tmp_path: Path) -> None:
    """ShardedByS3Key: every n-th object, as in File mode, also beyond one batch of names."""
    hosts = shares(tmp_path, 3)
    keys = [f"t/{number:05}" for number in range(25_000)]
    source = channel("s3://bk/t/", S3DataDistributionType="ShardedByS3Key")
    await describe_channel(objects_of(*keys), source, hosts, ACCESS)
    found = []
    for share in hosts:
        told = description(share.marker)
        assert told is not None
        found.append(await names_in(read_fixed(Path(told["fixed"]))))
    assert found == [[key.removeprefix("t/") for key in keys[n::3]] for n in range(3)]


async def test_no_objects_in_aws_words(tmp_path: Path) -> None:
    for uri in ("s3://bk/none/", "s3://bk/none", "s3://other/x"):
        with pytest.raises(TransferError, match="No S3 objects found under S3 URL"):
            await describe_channel(objects_of("t/a"), channel(uri), shares(tmp_path), ACCESS)


# Reading


class Source:
    """An object whose bytes say where they are, and which ranges were asked for."""

    def __init__(self, size: int) -> None:
        self.stored = Stored(Location("bk", "key"), size, 0.0)
        self.asked: list[tuple[int, int]] = []
        self.error: OSError | None = None

    async def fetch(self, stored: Stored, start: int, memory: memoryview) -> None:
        self.asked.append((start, start + len(memory)))
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        memory[:] = self.content(start, start + len(memory))

    def content(self, start: int, stop: int) -> bytes:
        whole = np.arange(start // 4, -(-stop // 4), dtype="<u4").tobytes()
        return whole[start % 4 : start % 4 + stop - start]


async def taken(reader: Reader, offset: int, size: int) -> bytes:
    pieces = reader.at_once(offset, size)
    return b"".join(pieces if pieces is not None else await reader.read(offset, size))


async def test_reading_on_asks_for_blocks_once_and_ahead() -> None:
    source = Source(10 * BLOCK + 5)
    blocks = Blocks(source.fetch)
    reader, step = Reader(source.stored, blocks), 1 << 17
    for offset in range(0, source.stored.size, step):
        assert await taken(reader, offset, step) == source.content(offset, min(source.stored.size, offset + step))
    assert source.asked == [(n * BLOCK, min(source.stored.size, (n + 1) * BLOCK)) for n in range(11)]
    assert len(blocks) == 0
    assert await taken(reader, source.stored.size, step) == b""


async def test_a_look_at_the_beginning_asks_for_no_more_than_a_block() -> None:
    source = Source(10 * BLOCK)
    await taken(Reader(source.stored, Blocks(source.fetch)), 0, 4096)
    await asyncio.sleep(0)
    assert source.asked == [(0, BLOCK)]


async def test_a_jump_asks_for_what_is_wanted() -> None:
    source = Source(100 * BLOCK)
    reader = Reader(source.stored, Blocks(source.fetch))
    for offset in (50 * BLOCK + 7, 3 * BLOCK, 90 * BLOCK):
        assert await taken(reader, offset, 4096) == source.content(offset, offset + 4096)
    assert source.asked == [(offset, offset + 4096) for offset in (50 * BLOCK + 7, 3 * BLOCK, 90 * BLOCK)]


async def test_memory_is_bounded_whatever_is_open() -> None:
    source = Source(8 * BLOCK)
    blocks = Blocks(source.fetch, memory=4)
    files = [Reader(Stored(Location("bk", f"k{n}"), 8 * BLOCK, 0.0), blocks) for n in range(6)]
    step = BLOCK // 2
    for offset in range(0, 8 * BLOCK, step):
        for reader in files:
            assert await taken(reader, offset, step) == source.content(offset, offset + step)
            assert len(blocks) <= 4


async def test_an_error_is_the_readers_and_the_next_reads_again() -> None:
    source = Source(BLOCK)
    reader = Reader(source.stored, Blocks(source.fetch))
    source.error = OSError(errno.ESTALE, "changed")
    with pytest.raises(OSError, match="changed"):
        await taken(reader, 0, 4096)
    source.error = None
    assert await taken(reader, 0, 4096) == source.content(0, 4096)


def test_nodes_live_as_long_as_the_kernel_knows_them() -> None:
    nodes = Nodes((0, 0), 1.0)
    root = nodes[protocol.ROOT]
    named = Named("a", Stored(Location("bk", "a"), 1, 0.0))
    node = nodes.met(root, named)
    assert nodes.met(root, named) is node
    assert nodes.met(root, Named("a", Stored(Location("bk", "a"), 2, 0.0))) is not node
    nodes.forget(node.number, 1)
    assert nodes[node.number] is node
    nodes.forget(node.number, 1)
    with pytest.raises(KeyError):
        nodes[node.number]
    nodes.forget(protocol.ROOT, 5)
    assert nodes[protocol.ROOT] is root


# The kernel's questions, over a socket that keeps messages apart as /dev/fuse does


class Kernel:
    """Asks a session, and waits for its answers."""

    def __init__(self, names: Names, source: Source) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        self.ours.setblocking(False)
        self.told: list[OSError] = []
        self.session = Session(theirs.detach(), names, Nodes((0, 0), 1.0), Blocks(source.fetch), Errors(self.told.append))
        self.session.serve()
        self._unique = 0

    def send(self, opcode: int, node: int = protocol.ROOT, body: bytes = b"") -> int:
        self._unique += 1
        self.ours.send(struct.pack("<IIQQIIIHH", 40 + len(body), opcode, self._unique, node, 0, 0, 0, 0, 0) + body)
        return self._unique

    async def answer(self) -> tuple[int, int, bytes]:
        """Unique number, errno and body."""
        data = await asyncio.get_running_loop().sock_recv(self.ours, 1 << 20)
        length, number, unique = struct.unpack_from("<IiQ", data)
        assert length == len(data)
        return unique, -number, data[16:]

    async def ask(self, opcode: int, node: int = protocol.ROOT, body: bytes = b"") -> tuple[int, bytes]:
        unique = self.send(opcode, node, body)
        answered, number, found = await self.answer()
        assert answered == unique
        return number, found


@pytest.fixture
async def kernel() -> AsyncIterator[Kernel]:
    source = Source(1000)
    items = [("a", source.stored), ("b/c", source.stored), *((f"n/{number:03}", source.stored) for number in range(100))]
    asking = Kernel(Fixed(items), source)
    yield asking
    asking.ours.close()
    await asking.session.ended.wait()


async def test_a_file_is_looked_up_opened_and_read(kernel: Kernel) -> None:
    number, found = await kernel.ask(protocol.INIT, 0, struct.pack("<IIII", 7, 44, 1 << 17, 0xFFFFFFFF))
    assert (number, struct.unpack_from("<II", found)) == (0, (7, 31))
    number, found = await kernel.ask(protocol.LOOKUP, body=b"a\0")
    node = struct.unpack_from("<Q", found)[0]
    number, found = await kernel.ask(protocol.OPEN, node, bytes(8))
    handle = struct.unpack_from("<Q", found)[0]
    number, found = await kernel.ask(protocol.READ, node, struct.pack("<QQI", handle, 996, 4096) + bytes(20))
    assert (number, found) == (0, struct.pack("<I", 249))
    assert (await kernel.ask(protocol.RELEASE, node, struct.pack("<QIIQ", handle, 0, 0, 0)))[0] == 0
    number, found = await kernel.ask(protocol.LOOKUP, body=b"none\0")
    assert (number, struct.unpack_from("<Q", found)[0]) == (0, 0)


async def test_what_it_does_not_know_is_answered(kernel: Kernel) -> None:
    """A question without an answer would make a program wait for ever."""
    for opcode, node, body, number in (
        (9, 1, b"dir\0", errno.ENOSYS),
        (protocol.GETATTR, 99, bytes(16), errno.ENOENT),
        (protocol.READ, 1, struct.pack("<QQI", 7, 0, 10) + bytes(20), errno.ENOENT),
        (protocol.LOOKUP, 99, b"a\0", errno.ENOENT),
    ):
        assert (await kernel.ask(opcode, node, body))[0] == number
    number, found = await kernel.ask(protocol.LOOKUP, body=b"\xff\xfe\0")
    assert (number, struct.unpack_from("<Q", found)[0]) == (0, 0)


@pytest.mark.parametrize("plus", [True, False])
async def test_a_folder_is_listed_in_parts_and_again(kernel: Kernel, plus: bool) -> None:
    node = struct.unpack_from("<Q", (await kernel.ask(protocol.LOOKUP, body=b"n\0"))[1])[0]
    handle = struct.unpack_from("<Q", (await kernel.ask(protocol.OPENDIR, node, bytes(8)))[1])[0]
    opcode = protocol.READDIRPLUS if plus else protocol.READDIR
    for _ in range(2):
        names, offset = [], 0
        while True:
            body = struct.pack("<QQI", handle, offset, 4096) + bytes(20)
            number, found = await kernel.ask(opcode, node, body)
            assert number == 0
            if not found:
                break
            assert len(found) <= 4096
            listed = list(entries(found, plus))
            names += [name for name, _ in listed]
            offset = listed[-1][1]
        assert names == [".", "..", *(f"{number:03}" for number in range(100))]


def entries(found: bytes, plus: bool) -> Iterator[tuple[str, int]]:
    at = 0
    while at < len(found):
        at += 128 if plus else 0
        _, offset, length, _ = struct.unpack_from("<QQII", found, at)
        yield found[at + 24 : at + 24 + length].decode(), offset
        at += (24 + length + 7) // 8 * 8


async def test_a_question_that_is_taken_back_is_answered(tmp_path: Path) -> None:
    """Whoever waits for a read that does not come can be killed."""
    source = Source(1000)
    waiting = asyncio.Event()

    async def never(stored: Stored, start: int, stop: int) -> bytes:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    source.fetch = never  # type: ignore[method-assign]
    kernel = Kernel(Fixed([("a", source.stored)]), source)
    node = struct.unpack_from("<Q", (await kernel.ask(protocol.LOOKUP, body=b"a\0"))[1])[0]
    handle = struct.unpack_from("<Q", (await kernel.ask(protocol.OPEN, node, bytes(8)))[1])[0]
    unique = kernel.send(protocol.READ, node, struct.pack("<QQI", handle, 0, 10) + bytes(20))
    await waiting.wait()
    kernel.send(protocol.INTERRUPT, 0, struct.pack("<Q", unique))
    assert (await kernel.answer())[:2] == (unique, errno.EINTR)
    kernel.ours.close()
    await kernel.session.ended.wait()


async def test_s3_errors_are_told_and_become_errnos() -> None:
    source = Source(1000)
    kernel = Kernel(Listed(objects_of("t/a"), Location("other", "")), source)
    number, _ = await kernel.ask(protocol.LOOKUP, body=b"a\0")
    objects = objects_of("t/a")
    objects.denied.add("bk")
    denied = Kernel(Listed(objects, Location("bk", "t/")), source)
    assert (await denied.ask(protocol.LOOKUP, body=b"a\0"))[0] == errno.EACCES
    assert (number, len(denied.told)) == (errno.EIO, 1)
    for asked in (kernel, denied):
        asked.ours.close()
        await asked.session.ended.wait()
