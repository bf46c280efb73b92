"""Carries the lines of a file that a container writes into a log stream: each one exactly once, whatever dies when.

How far the file has been read lies in a row of its own, which is saved in the transaction that adds the lines. Lines become
events as CloudWatch shows them: control characters as ``#ooo`` (a tab is ``#011``), invalid UTF-8 replaced, 256 kB at most.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from sagewright.base.world import World
from sagewright.signals import logs
from sagewright.signals.logs import Event
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource

EVENT_LIMIT = 262_144 - 26
"""CloudWatch: an event is at most 256 kB including 26 bytes of its own."""
BATCH_BYTES = 512 * 1024
BATCH_LINES = 1000
"""One transaction's worth: others are waiting for the same writer."""

_KIND = "signals.Tail"
_CONTROL = re.compile("[\x00-\x1f\x7f]")


class Digest(NamedTuple):
    """What else is written with a batch of lines, and the note that is kept for the next batch."""

    write: Callable[[Transaction], None]
    note: Document


Digester = Callable[[Sequence[Event], Document], Awaitable[Digest]]
"""From new events and the note so far: metrics, for example."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file and the stream it goes to. ``preface`` are lines of our own that come before the first."""

    world: World
    group: str
    stream: str
    file: Path
    preface: tuple[str, ...] = ()
    digest: Digester | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        return f"{self.group}:{self.stream}"


class _Batch(NamedTuple):
    lines: list[str]
    end: int


async def follow(store: Store, source: Source, ended: bool = False, limit: int = 8 * 1024 * 1024) -> bool:
    """Carries over what is new, at most about ``limit`` bytes; True when nothing is left.

    While the file still grows its last, unfinished line is left for later; once it has ``ended`` that line counts, too.
    """
    row = await store.read(lambda transaction: _position(transaction, source))
    start = row.status["Offset"]
    while True:
        offset = row.status["Offset"]
        batch = await asyncio.to_thread(_read, source.file, offset, ended)
        if batch.end == offset and (row.version or not source.preface):
            return True
        row = await _append(store, source, row, batch)
        if not ended and row.status["Offset"] - start >= limit:
            return False


async def note(store: Store, source: Source) -> Document:
    """What the digester kept last."""
    row = await store.read(lambda transaction: _position(transaction, source))
    found: Document = row.status["Note"]
    return found


def forget(transaction: Transaction, source: Source) -> None:
    """Drops the position; only for a file that is deleted and never read again."""
    row = transaction.resources.get(source.world, _KIND, source.key)
    if row is not None:
        transaction.resources.delete(row)


def escape(text: str) -> str:
    """Control characters in octal, as SageMaker's logs show them."""
    return _CONTROL.sub(lambda found: f"#{ord(found[0]):03o}", text)


async def _append(store: Store, source: Source, row: Resource, batch: _Batch) -> Resource:
    """Writes lines, position and digest in one transaction. Raises Stale when somebody else has moved the position."""
    now = max(int(store.clock.now() * 1000), row.status["Last"])
    lines = batch.lines if row.version else [*source.preface, *batch.lines]
    events = [Event(now, piece) for line in lines for piece in _pieces(escape(line))]
    digest = await source.digest(events, row.status["Note"]) if source.digest else None
    status = {"Offset": batch.end, "Last": now, "Note": digest.note if digest else row.status["Note"]}
    moved = replace(row, status=status)

    def write(transaction: Transaction) -> Resource:
        saved = transaction.resources.save(moved) if row.version else transaction.resources.insert(moved)
        if events:
            logs.append(transaction, source.world, source.group, source.stream, events)
        if digest:
            digest.write(transaction)
        return saved

    return await store.write(write)


def _position(transaction: Transaction, source: Source) -> Resource:
    """The row, or one with version 0 that is still to be written."""
    status = {"Offset": 0, "Last": 0, "Note": {}}
    row = transaction.resources.get(source.world, _KIND, source.key)
    return row or Resource(source.world, _KIND, source.key, name=source.stream, status=status, version=0)


def _read(file: Path, offset: int, ended: bool) -> _Batch:
    """Whole lines from ``offset`` on. A line longer than a batch is cut, but never inside a character."""
    try:
        with file.open("rb") as content:
            content.seek(offset)
            data = content.read(BATCH_BYTES)
    except FileNotFoundError:
        return _Batch([], offset)
    last = data.rfind(b"\n") + 1
    if not last and len(data) == BATCH_BYTES:
        last = _character_boundary(data)
    if ended and len(data) < BATCH_BYTES:
        last = len(data)
    whole = data[:last]
    lines = whole.split(b"\n", BATCH_LINES)
    rest = lines.pop() if len(lines) > BATCH_LINES else b""
    return _Batch([line.decode("utf-8", "replace") for line in lines if line], offset + len(whole) - len(rest))


def _pieces(text: str) -> Iterator[str]:
    """The line, in parts when it is too long for one event."""
    if len(text) * 4 <= EVENT_LIMIT:
        yield text
        return
    data = text.encode()
    while data:
        end = len(data) if len(data) <= EVENT_LIMIT else _character_boundary(data[:EVENT_LIMIT])
        yield data[:end].decode()
        data = data[end:]


def _character_boundary(data: bytes) -> int:
    """Where the last character that may be incomplete begins; the end when it is complete or no UTF-8 anyway."""
    for back in range(1, 4):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        needed = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        return len(data) - back if needed > back else len(data)
    return len(data)
