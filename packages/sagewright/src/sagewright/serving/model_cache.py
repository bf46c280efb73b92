"""A model that copies of one deployment keep between them (API InferenceComponentDataCacheConfig): fetched once, then copied.

A container may write to its /opt/ml, so each gets files of its own. A kept tree is complete when it is there: it is made beside its
place and renamed. What was cut off lies there as ``<name>.partial`` and goes with the next attempt or with the whole.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from threading import Event

from sagewright.base.clone import Stopped, clone
from sagewright.base.threads import to_its_end
from sagewright.compute import trees
from sagewright.kernel.errands import ErrandFailed

Fetch = Callable[[Path], Awaitable[None]]
"""Brings the model into the folder, which is there and empty. Raises ErrandFailed."""
DISK_FULL = "There is not enough disk space for the model data and a copy of it."
_PARTIAL = ".partial"


class ModelCache:
    """Holds no state but what is on its way: a restarted control finds every tree on the disk."""

    def __init__(self) -> None:
        self._coming: dict[Path, asyncio.Task[None]] = {}

    async def fill(self, ml: Path, kept: Path, fetch: Fetch) -> None:
        """Makes ``ml`` what ``kept`` is, fetched now when it is not there; however many ask, once. Raises what ``fetch`` does."""
        await self._there(kept, fetch)
        stop = Event()
        copying = asyncio.ensure_future(asyncio.to_thread(_renewed, kept, ml, stop))
        try:
            await asyncio.shield(copying)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([copying])
            raise
        except OSError as problem:
            if problem.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ErrandFailed(DISK_FULL) from problem
            raise

    async def drop(self, kept: Path) -> None:
        """Removes a tree, or the folder with those of several containers, and ends what is on its way there."""
        coming = [task for place, task in self._coming.items() if place.is_relative_to(kept)]
        await _ended(coming)
        for folder in (_partial(kept), kept):
            await asyncio.to_thread(trees.remove, folder)

    async def close(self) -> None:
        """Ends what is on its way."""
        await _ended(list(self._coming.values()))

    async def _there(self, kept: Path, fetch: Fetch) -> None:
        """Whoever leaves does not end it for the others."""
        task = self._coming.get(kept)
        if task is None:
            if kept.is_dir():
                return
            task = self._coming[kept] = asyncio.create_task(_fetched(kept, fetch), name=f"model for {kept}")
            task.add_done_callback(partial(self._came, kept))
        await asyncio.shield(task)

    def _came(self, kept: Path, task: asyncio.Task[None]) -> None:
        del self._coming[kept]
        if not task.cancelled():
            task.exception()  # whoever asked has it; nobody may be left


def held(folder: Path) -> frozenset[str]:
    """The names of the trees in a folder, whole or not."""
    try:
        return frozenset(entry.name.removesuffix(_PARTIAL) for entry in folder.iterdir())
    except FileNotFoundError:
        return frozenset()


async def _fetched(kept: Path, fetch: Fetch) -> None:
    coming = _partial(kept)
    try:
        await to_its_end(_emptied, coming)
        await fetch(coming)
        coming.rename(kept)
    finally:
        await to_its_end(trees.remove, coming)


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _renewed(kept: Path, ml: Path, stop: Event) -> None:
    trees.remove(ml)  # of an attempt that was cut off
    try:
        clone(kept, ml, stop)
    except Stopped:
        trees.remove(ml)


def _emptied(folder: Path) -> None:
    trees.remove(folder)
    folder.mkdir(parents=True)


def _partial(kept: Path) -> Path:
    return kept.with_name(kept.name + _PARTIAL)
