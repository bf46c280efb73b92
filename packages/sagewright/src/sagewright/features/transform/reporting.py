"""How far a transform job is, in its log: a line every ten seconds while it takes longer than that."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from sagewright.objects.transfer import Item

EVERY_SECONDS = 10.0
_MEGABYTE = 1_000_000


class Progress:
    """Told of every payload and every object; says little. ``log`` takes lines."""

    def __init__(self, log: Callable[[Sequence[str]], Awaitable[None]], every: float = EVERY_SECONDS) -> None:
        self._log = log
        self._every = every
        self._said = time.monotonic()
        self._objects = self._finished = self._bytes = self._sent = 0

    def begin(self, items: Sequence[Item]) -> None:
        """What is to be done."""
        self._objects = len(items)
        self._bytes = sum(item.stored.size for item in items)

    async def sent(self, size: int) -> None:
        """A payload of ``size`` bytes is on its way."""
        self._sent += size
        await self._say()

    async def finished(self, item: Item) -> None:
        """An object is done."""
        self._finished += 1
        await self._say()

    async def _say(self) -> None:
        now = time.monotonic()
        if now - self._said >= self._every:
            self._said = now
            objects = f"{self._finished} of {self._objects} objects done"
            await self._log([f"{objects}, {self._sent / _MEGABYTE:.0f} MB sent of {self._bytes / _MEGABYTE:.0f} MB of input"])
