"""The input of a transform job as a stream, and what its log says meanwhile (feature C10; Developer Guide batch-transform)."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence

import pytest
from support.objects import MemoryObjects

from sagewright.features.transform import source
from sagewright.features.transform.reporting import Progress
from sagewright.features.transform.source import ObjectFile
from sagewright.objects.s3 import Location, Stored
from sagewright.objects.transfer import Item

CONTENT = bytes(range(256)) * 40


class Breaking(MemoryObjects):
    """Says what was read of it; the connection breaks at each read whose number is in ``breaks``."""

    def __init__(self, *buckets: str) -> None:
        super().__init__(*buckets)
        self.reads: list[tuple[int, int]] = []
        self.breaks: frozenset[int] = frozenset()

    async def read_into(self, stored: Stored, start: int, memory: memoryview) -> None:
        self.reads.append((start, len(memory)))
        if len(self.reads) in self.breaks:
            raise ConnectionError("S3 went away")
        await super().read_into(stored, start, memory)


def held() -> tuple[Breaking, Stored]:
    objects = Breaking("bucket")
    objects.put("s3://bucket/key", CONTENT)
    return objects, Stored(Location("bucket", "key"), len(CONTENT), 0.0)


@pytest.mark.parametrize("size", [7, 1000, len(CONTENT), 1 << 20])
async def test_the_object_is_read_as_it_is(size: int) -> None:
    objects, stored = held()
    file = io.BufferedReader(ObjectFile(objects, stored), size)
    assert await asyncio.to_thread(file.read) == CONTENT


async def test_an_empty_object_is_nothing() -> None:
    objects, stored = held()
    file = ObjectFile(objects, Stored(stored.location, 0, 0.0))
    assert await asyncio.to_thread(file.read) == b""


async def test_no_more_is_held_than_the_reader_asked_for() -> None:
    """Memory holds what is read, whatever the size of the object."""
    objects, stored = held()
    file = ObjectFile(objects, stored)
    assert await asyncio.to_thread(file.read, 10) == CONTENT[:10]
    assert objects.reads == [(0, 10)]
    await file.abandon()


async def test_it_goes_on_where_it_broke_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 restarts with the server."""
    monkeypatch.setattr(source, "AWAY_SECONDS", 0.0)
    objects, stored = held()
    objects.breaks = frozenset((1, 4, 5))
    file = io.BufferedReader(ObjectFile(objects, stored), 1000)
    assert await asyncio.to_thread(_in_steps, file) == CONTENT


def _in_steps(file: io.BufferedReader) -> bytes:
    return b"".join(iter(lambda: file.read(700), b""))


async def test_an_object_that_is_gone_says_so() -> None:
    objects, stored = held()
    objects.buckets["bucket"].clear()
    file = ObjectFile(objects, stored)
    with pytest.raises(FileNotFoundError):
        await asyncio.to_thread(file.read, 10)
    assert await asyncio.to_thread(file.read, 10) == b""


async def test_a_reader_is_let_go_when_nobody_wants_the_rest() -> None:
    """The job is stopped while S3 is away."""
    objects, stored = held()
    objects.away = True
    file = ObjectFile(objects, stored)
    reading = asyncio.create_task(asyncio.to_thread(file.read, 10))
    await asyncio.sleep(0)
    await file.abandon()
    with pytest.raises(ValueError, match="not read any more"):
        await reading


async def test_the_log_says_how_far_it_is() -> None:
    said: list[str] = []

    async def log(lines: Sequence[str]) -> None:
        said.extend(lines)

    _, stored = held()
    progress = Progress(log, every=0.0)
    progress.begin([Item(Stored(stored.location, 4_000_000, 0.0), "key")] * 2)
    await progress.sent(3_000_000)
    await progress.finished(Item(stored, "key"))
    assert said == ["0 of 2 objects done, 3 MB sent of 8 MB of input", "1 of 2 objects done, 3 MB sent of 8 MB of input"]
