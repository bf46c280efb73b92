"""Waits for an S3 that is away: it restarts with the server, and work on a user's objects should not fail for that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

AWAY_SECONDS = 2.0


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Does the work, again and again while S3 cannot be reached; it must be repeatable. Bound it with asyncio.timeout."""
    while True:
        try:
            return await work()
        except ConnectionError:
            await asyncio.sleep(AWAY_SECONDS)
