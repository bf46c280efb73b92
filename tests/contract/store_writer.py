"""Writes rows for ever and prints each one's name once its write has returned; run and killed by test_store.py."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys

from sagewright.base.clock import SystemClock
from sagewright.base.world import World
from sagewright.store.database import Store
from sagewright.store.rows import Resource

WORLD = World("111122223333", "eu-west-1")


async def write(store: Store, numbers: itertools.count[int]) -> None:
    for number in numbers:
        row = Resource(WORLD, "Model", f"kept-{number}", name=f"kept-{number}")
        await store.write(lambda transaction, row=row: transaction.resources.insert(row))  # type: ignore[misc]
        os.write(1, f"{row.name}\n".encode())


async def main(url: str) -> None:
    store = await Store.open(url, SystemClock())
    await store.empty()
    numbers = itertools.count()
    await asyncio.gather(*(write(store, numbers) for _ in range(8)))


asyncio.run(main(sys.argv[1]))
