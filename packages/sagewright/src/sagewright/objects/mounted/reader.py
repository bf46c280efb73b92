"""Reads objects for programs: ahead of one that reads on, in exact ranges for one that jumps, within a bound of memory.

What was handed to the kernel is dropped here: it has a cache of its own, which the machine bounds. The memory of a block is used
again, for fresh memory costs as much as filling it: a piece holds until the event loop's next turn, so answer with it at once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from mmap import mmap

from sagewright.objects.s3 import Stored

BLOCK = 8 << 20
"""Bytes asked of S3 at once while a program reads on: SeaweedFS keeps objects in pieces of this size, and a part costs a whole one."""
AHEAD = 3
"""Blocks asked for before a program wants them, once it has read on for a while."""
MEMORY = 16
"""Blocks in memory, of all files together."""
EAGER = 512 << 10
"""Who has read so much of a file from its beginning on will want the rest."""
SLACK = 2 << 20
"""The kernel's own read-ahead arrives in disorder: so far apart it is still reading on."""

Piece = bytes | bytearray | memoryview
Fetch = Callable[[Stored, int, memoryview], Awaitable[None]]
"""Fills memory from byte ``start`` of an object on. Raises OSError."""


class _Block:
    """A part of an object that is coming or is there."""

    __slots__ = ("memory", "served", "size", "task")

    def __init__(self, task: asyncio.Task[None], memory: mmap, size: int) -> None:
        self.task = task
        self.memory = memory
        self.size = size
        self.served = 0


class Blocks:
    """The blocks that are in memory or on their way, the least recently wanted first."""

    def __init__(self, fetch: Fetch, memory: int = MEMORY) -> None:
        self._fetch = fetch
        self._memory = memory
        self._free: list[mmap] = []
        self._blocks: OrderedDict[tuple[Stored, int], _Block] = OrderedDict()

    def __len__(self) -> int:
        return len(self._blocks)

    def has(self, stored: Stored, number: int) -> bool:
        """Whether a block is there or coming."""
        return (stored, number) in self._blocks

    def want(self, stored: Stored, number: int) -> None:
        """Has a block come, if there is one."""
        start = number * BLOCK
        if start >= stored.size or self._touch(stored, number):
            return
        while len(self._blocks) >= self._memory:
            key, oldest = next(iter(self._blocks.items()))
            oldest.task.cancel()
            self._drop(*key, oldest)
        size = min(stored.size - start, BLOCK)
        memory = self._free.pop() if self._free else mmap(-1, BLOCK)
        task = asyncio.ensure_future(self._fetch(stored, start, memoryview(memory)[:size]))
        task.add_done_callback(_look_at)
        self._blocks[stored, number] = _Block(task, memory, size)

    def ready(self, stored: Stored, start: int, stop: int) -> list[Piece] | None:
        """The bytes of a range, if all of them are there."""
        numbers = range(start // BLOCK, (stop - 1) // BLOCK + 1)
        found = [self._blocks.get((stored, number)) for number in numbers]
        if any(block is None or not _is_good(block.task) for block in found):
            return None
        return [self._take(stored, number, start, stop) for number in numbers]

    async def read(self, stored: Stored, start: int, stop: int) -> list[Piece]:
        """The same, waiting for them. Raises OSError."""
        for number in range(start // BLOCK, (stop - 1) // BLOCK + 1):
            self.want(stored, number)
            block = self._blocks[stored, number]
            try:
                await asyncio.shield(block.task)
            except asyncio.CancelledError:
                if not block.task.cancelled():
                    raise
                return await self.exactly(stored, start, stop)
            except OSError:
                self._drop(stored, number, block)
                raise
        pieces = self.ready(stored, start, stop)
        return await self.exactly(stored, start, stop) if pieces is None else pieces  # one had to make room

    async def exactly(self, stored: Stored, start: int, stop: int) -> list[Piece]:
        """The same by a request of its own."""
        memory = bytearray(stop - start)
        await self._fetch(stored, start, memoryview(memory))
        return [memory]

    def _touch(self, stored: Stored, number: int) -> bool:
        if (stored, number) not in self._blocks:
            return False
        self._blocks.move_to_end((stored, number))
        return True

    def _take(self, stored: Stored, number: int, start: int, stop: int) -> Piece:
        return self._cut(stored, number, self._blocks[stored, number], start, stop)

    def _cut(self, stored: Stored, number: int, block: _Block, start: int, stop: int) -> Piece:
        """The part of a block that lies in a range; a block of which all was taken goes."""
        first = number * BLOCK
        piece = memoryview(block.memory)[max(0, start - first) : min(block.size, stop - first)]
        block.served += len(piece)
        if block.served >= block.size:
            self._drop(stored, number, block)
        return piece

    def _drop(self, stored: Stored, number: int, block: _Block) -> None:
        if self._blocks.get((stored, number)) is block:
            del self._blocks[stored, number]
            if block.task.done():  # else it may still be written to
                self._free.append(block.memory)


class Reader:
    """One open file."""

    def __init__(self, stored: Stored, blocks: Blocks) -> None:
        self._stored = stored
        self._blocks = blocks
        self._next = 0
        self._furthest = 0
        self._ahead = 0

    def at_once(self, offset: int, size: int) -> list[Piece] | None:
        """What is in memory already, without waiting; asks for what will be wanted next."""
        start, stop = offset, min(self._stored.size, offset + size)
        if start >= stop:
            return []
        if not self._is_reading_on(start):
            return None
        pieces = self._blocks.ready(self._stored, start, stop)
        if pieces is not None:
            self._went_on(stop)
        return pieces

    async def read(self, offset: int, size: int) -> list[Piece]:
        """Fewer bytes only at the end. Raises OSError."""
        start, stop = offset, min(self._stored.size, offset + size)
        if start >= stop:
            return []
        if self._is_reading_on(start):
            self._blocks.want(self._stored, start // BLOCK)
            self._went_on(stop)
            return await self._blocks.read(self._stored, start, stop)
        self._next, self._furthest, self._ahead = stop, stop, 0
        return await self._blocks.exactly(self._stored, start, stop)

    def _is_reading_on(self, start: int) -> bool:
        return -SLACK <= start - self._next <= SLACK or self._blocks.has(self._stored, start // BLOCK)

    def _went_on(self, stop: int) -> None:
        """Wants the blocks that follow, more of them the longer a program reads on."""
        self._next = stop
        if stop <= self._furthest:
            return
        if stop // BLOCK > self._furthest // BLOCK or (self._ahead == 0 and stop % BLOCK >= EAGER):
            self._ahead = min(AHEAD, self._ahead * 2 or 1)
        self._furthest = stop
        number = (stop - 1) // BLOCK
        for following in range(number + 1, number + 1 + self._ahead):
            self._blocks.want(self._stored, following)


def _is_good(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _look_at(task: asyncio.Task[None]) -> None:
    """An error of a block that nobody came for is nobody's; who comes meets it again."""
    if not task.cancelled():
        task.exception()
