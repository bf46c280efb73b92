"""Waits for an S3 that is away, as a program that reads a file must not fail because the server is updated.

Whoever waits can be killed: the kernel takes the question back (session.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

from sagewright.objects.mounted.names import Named, Names
from sagewright.objects.mounted.reader import Fetch
from sagewright.objects.s3 import Objects, Stored

T = TypeVar("T")

PATIENCE = 300.0
"""Seconds until a read fails after all."""
PAUSE = 1.0


@dataclass(slots=True)
class Wait:
    """One time of waiting: ``tell`` says what happens where the user looks."""

    tell: Callable[[OSError], None]
    _deadline: float = field(default_factory=lambda: time.monotonic() + PATIENCE)

    async def after(self, away: ConnectionError) -> None:
        """Raises the error when it has lasted too long."""
        if time.monotonic() > self._deadline:
            raise away
        self.tell(away)
        await asyncio.sleep(PAUSE)


async def patiently(work: Callable[[], Awaitable[T]], tell: Callable[[OSError], None]) -> T:
    """Does the work, again and again while S3 cannot be reached. Raises OSError."""
    wait = Wait(tell)
    while True:
        try:
            return await work()
        except ConnectionError as away:
            await wait.after(away)


def ranges(objects: Objects, tell: Callable[[OSError], None]) -> Fetch:
    """Reads ranges of objects, for reader.Blocks."""

    async def fetch(stored: Stored, start: int, memory: memoryview) -> None:
        await patiently(lambda: objects.read_into(stored, start, memory), tell)

    return fetch


@dataclass(frozen=True, slots=True)
class PatientNames:
    """See names.Names."""

    names: Names
    tell: Callable[[OSError], None]

    async def look(self, folder: str, name: str) -> Named | None:
        """See Names."""
        return await patiently(lambda: self.names.look(folder, name), self.tell)

    async def entries(self, folder: str) -> AsyncGenerator[Named, None]:
        """See Names. A listing that broke off begins anew; what was given of it is left out."""
        wait, given = Wait(self.tell), 0
        while True:
            left = given
            try:
                async with aclosing(self.names.entries(folder)) as source:
                    async for named in source:
                        if left:
                            left -= 1
                            continue
                        given += 1
                        yield named
                return
            except ConnectionError as away:
                await wait.after(away)
