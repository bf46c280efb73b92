"""Deletes every row of a database that is not a file of the data folder (``sagewright reset``)."""

from __future__ import annotations

import asyncio

from sagewright.base.clock import SystemClock
from sagewright.settings import Settings
from sagewright.store.database import Store


async def empty(settings: Settings) -> None:
    """Creates the tables where there are none yet."""
    store = await Store.open(settings.database_url, SystemClock())
    await store.empty()
    await store.close()


if __name__ == "__main__":
    asyncio.run(empty(Settings.from_env()))
