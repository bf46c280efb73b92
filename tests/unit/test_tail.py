"""The tail of a growing file: every line once, in order, whatever is cut where and whatever dies when. Feature row N05."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.signals import WORLD, events, messages

from sagewright.base.clock import VirtualClock
from sagewright.signals import logs, tail
from sagewright.signals.logs import Event
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Stale

GROUP, STREAM = "/aws/sagemaker/TrainingJobs", "job/algo-1-1"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def store(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path / 'test.db'}", clock)
    yield opened
    await opened.close()


@pytest.fixture
def source(tmp_path: Path) -> tail.Source:
    return tail.Source(WORLD, GROUP, STREAM, tmp_path / "stdout")


async def lines(store: Store) -> list[str]:
    return await store.read(lambda transaction: messages(transaction, GROUP, STREAM))


async def test_a_growing_file(store: Store, source: tail.Source) -> None:
    assert await tail.follow(store, source)  # it is not there yet
    source.file.write_bytes(b"one\ntwo\nthr")
    assert await tail.follow(store, source)
    assert await lines(store) == ["one", "two"]
    with source.file.open("ab") as file:
        file.write(b"ee\n\nlast")
    await tail.follow(store, source)
    assert await lines(store) == ["one", "two", "three"]
    await tail.follow(store, source, ended=True)
    await tail.follow(store, source, ended=True)
    assert await lines(store) == ["one", "two", "three", "last"]


async def test_characters(store: Store, source: tail.Source) -> None:
    """algorithms.md 2: control characters are shown in octal."""
    source.file.write_bytes(b"a\tb\r\n\x1b[31mred\n\xff\xfe bad\n\xc3\xbc good\n")
    await tail.follow(store, source)
    assert await lines(store) == ["a#011b#015", "#033[31mred", "\ufffd\ufffd bad", "ü good"]


async def test_long_lines_are_split_between_characters(store: Store, source: tail.Source) -> None:
    """CloudWatch: 256 kB an event."""
    text = "ü€x" * 300_000
    source.file.write_text(f"short\n{text}\nafter")
    await tail.follow(store, source, ended=True)
    found = await lines(store)
    assert (found[0], found[-1]) == ("short", "after")
    assert "".join(found[1:-1]) == text
    assert max(len(line.encode()) for line in found) <= tail.EVENT_LIMIT


async def test_many_lines_in_many_batches(store: Store, source: tail.Source) -> None:
    expected = [f"line {number}" for number in range(5 * tail.BATCH_LINES + 3)]
    source.file.write_text("\n".join(expected))
    await tail.follow(store, source, ended=True)
    assert await lines(store) == expected


async def test_one_pass_is_bounded(store: Store, source: tail.Source) -> None:
    source.file.write_text("x" * 99 + "\n" * 1 + "y\n" * 200_000)
    assert not await tail.follow(store, source, limit=1000)
    assert await tail.follow(store, source)
    assert len(await lines(store)) == 200_001


@pytest.mark.parametrize("seed", range(5))
async def test_wherever_it_is_cut(store: Store, source: tail.Source, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "BATCH_BYTES", 64)
    monkeypatch.setattr(tail, "BATCH_LINES", 3)
    chance = random.Random(seed)
    expected = ["€" * chance.randint(1, 15) for _ in range(200)]
    data, done = "\n".join(expected).encode(), 0
    while done < len(data):
        step = chance.randint(1, 200)
        with source.file.open("ab") as file:
            file.write(data[done : done + step])
        done += step
        await tail.follow(store, source, limit=chance.randint(1, 300))
    await tail.follow(store, source, ended=True)
    assert await lines(store) == expected


async def test_a_write_that_fails_moves_nothing(store: Store, source: tail.Source) -> None:
    """Offset and lines are one transaction: neither is there without the other."""

    async def digest(_: Sequence[Event], note: Document) -> tail.Digest:
        def write(_: Transaction) -> None:
            raise RuntimeError("the power is gone")

        return tail.Digest(write, note)

    source.file.write_text("one\ntwo\n")
    with pytest.raises(RuntimeError):
        await tail.follow(store, replace(source, digest=digest))
    assert await lines(store) == []
    await tail.follow(store, source)
    assert await lines(store) == ["one", "two"]


async def test_two_at_once_do_not_repeat(store: Store, source: tail.Source) -> None:
    source.file.write_text("one\n")

    async def digest(_: Sequence[Event], note: Document) -> tail.Digest:
        await tail.follow(store, source)  # another control overtakes
        return tail.Digest(lambda _: None, note)

    await tail.follow(store, source)
    source.file.write_text("one\ntwo\n")
    with pytest.raises(Stale):
        await tail.follow(store, replace(source, digest=digest))
    assert await lines(store) == ["one", "two"]


async def test_what_is_digested_is_kept(store: Store, source: tail.Source) -> None:
    async def digest(new: Sequence[Event], note: Document) -> tail.Digest:
        return tail.Digest(lambda _: None, {"count": note.get("count", 0) + len(new)})

    counted = replace(source, digest=digest)
    source.file.write_text("one\ntwo\n")
    await tail.follow(store, counted)
    with source.file.open("a") as file:
        file.write("three")
    await tail.follow(store, counted, ended=True)
    assert await tail.note(store, source) == {"count": 3}
    await store.write(lambda transaction: tail.forget(transaction, source))
    assert await tail.note(store, source) == {}


async def test_a_preface_comes_first_and_once(store: Store, source: tail.Source) -> None:
    prefaced = replace(source, preface=("no GPU here",))
    await tail.follow(store, prefaced)
    source.file.write_text("one\n")
    await tail.follow(store, prefaced)
    assert await lines(store) == ["no GPU here", "one"]


async def test_time_never_goes_back(store: Store, source: tail.Source, clock: VirtualClock) -> None:
    source.file.write_text("one\n")
    await tail.follow(store, source)
    clock.advance(-100)
    with source.file.open("a") as file:
        file.write("two\n")
    await tail.follow(store, source)
    found = await store.read(lambda transaction: events(transaction, GROUP, STREAM))
    assert [event.message for event in found] == ["one", "two"]
    assert found[0].timestamp <= found[1].timestamp


async def test_a_log_group_is_made(store: Store, source: tail.Source) -> None:
    source.file.write_text("one\n")
    await tail.follow(store, source)
    streams = await store.read(lambda transaction: logs.describe_streams(transaction, WORLD, GROUP))
    assert [stream.name for stream in streams] == [STREAM]
