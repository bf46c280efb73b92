"""The models of a multi-model replica on disk: fetched when they are first asked for, kept while there is room.

The folder is the replica's, shown to its container read-only: what it writes cannot mislead us. A model is a folder below it,
``<name>/model``, complete when it is there, however old: that the object has changed is not looked at, as on AWS, until the model has
left the disk (Developer Guide, multi-model-endpoints).
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter

from sagewright.base.archive import unpack
from sagewright.compute import trees
from sagewright.objects.patience import patiently
from sagewright.objects.s3 import Location, Objects

MODEL = "model"
"""The folder of a model's files below the one that has its name."""
_ARCHIVE = ".archive"
_PATIENCE = 360.0
"""Seconds (Developer Guide, invoke-multi-model-endpoint)."""


class Unfetchable(Exception):
    """A model cannot be brought; the text is that of a ValidationError."""


@dataclass(slots=True)
class _Held:
    """What lies in one folder: bytes by name, the least recently fetched first."""

    sizes: dict[str, int] = field(default_factory=dict)


class ModelStore:
    """Many folders; ``room`` is in bytes for each of them."""

    def __init__(self, objects: Objects, room: int) -> None:
        self._objects = objects
        self._room = room
        self._folders: dict[Path, _Held] = {}
        self._coming: dict[tuple[Path, str], asyncio.Task[float]] = {}

    async def bring(self, folder: Path, name: str, source: Location) -> float:
        """Makes ``<folder>/<name>/model`` be there; the seconds that fetching took, 0 when it was there. Raises Unfetchable.

        However many ask, a model is fetched once; it comes although they leave.
        """
        key = (folder, name)
        task = self._coming.get(key)
        if task is None:
            held = self._folders.get(folder)
            if held is not None and name in held.sizes:
                held.sizes[name] = held.sizes.pop(name)
                return 0.0
            task = self._coming[key] = asyncio.create_task(self._bring(folder, name, source))
            task.add_done_callback(partial(self._came, key))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Ends what is on its way."""
        for task in list(self._coming.values()):
            task.cancel()
        await asyncio.gather(*self._coming.values(), return_exceptions=True)
        self._folders.clear()

    def _came(self, key: tuple[Path, str], task: asyncio.Task[float]) -> None:
        self._coming.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever asked has it; nobody may be left

    async def _bring(self, folder: Path, name: str, source: Location) -> float:
        held = self._folders.get(folder)
        if held is None:
            self._folders = {known: held for known, held in self._folders.items() if known.exists()}  # replicas come and go
            held = self._folders[folder] = _Held(dict(await asyncio.to_thread(_found, folder)))
        if name in held.sizes:
            return 0.0
        began = perf_counter()
        size = await self._fetch(folder, name, source)
        held.sizes[name] = size
        await self._make_room(folder, held, name)
        return perf_counter() - began

    async def _fetch(self, folder: Path, name: str, source: Location) -> int:
        archive = folder / f"{name}{_ARCHIVE}"
        try:
            async with asyncio.timeout(_PATIENCE):
                await patiently(partial(self._download, source, archive))
            return await asyncio.to_thread(_unpacked, archive, folder / name, self._room)
        except (FileNotFoundError, PermissionError) as problem:
            raise Unfetchable(_not_there(source)) from problem
        except TimeoutError as late:
            raise Unfetchable(_not_there(source)) from late
        except ValueError as problem:
            raise Unfetchable(
                f"Failed to extract model data archive from bucket {source.bucket}, key {source.key}. Please ensure that the object "
                f"located at the URL is a valid tar.gz archive: {problem}."
            ) from problem
        finally:
            archive.unlink(missing_ok=True)

    async def _download(self, source: Location, archive: Path) -> None:
        stored = await self._objects.head(source)
        if stored.size > self._room:
            raise ValueError(f"it has {stored.size} bytes, and the instance has room for {self._room}")
        await self._objects.download(source, archive)

    async def _make_room(self, folder: Path, held: _Held, newest: str) -> None:
        """The models that were fetched or asked for longest ago go; one that is loaded goes on serving from memory."""
        while sum(held.sizes.values()) > self._room and len(held.sizes) > 1:
            oldest = next(name for name in held.sizes if name != newest)
            del held.sizes[oldest]
            await asyncio.to_thread(trees.remove, folder / oldest)


def room(volume: int, folder: Path) -> int:
    """Bytes that the models of a replica may take: its volume, but never more than half of what the disk has left."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return min(volume, shutil.disk_usage(existing).free // 2)


def _found(folder: Path) -> Mapping[str, int]:
    """What an earlier control has left, the oldest first; an archive or a folder that is not complete is no model."""
    models = [entry for entry in folder.iterdir() if (entry / MODEL).is_dir()]
    return {entry.name: trees.disk_use(entry) for entry in sorted(models, key=lambda entry: entry.stat().st_mtime)}


def _unpacked(archive: Path, home: Path, limit: int) -> int:
    home.mkdir(exist_ok=True)
    unpack(archive, home / MODEL, limit)
    for path in (home, *home.rglob("*")):  # the container's user is another
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    return trees.disk_use(home)


def _not_there(source: Location) -> str:
    return (
        f"Failed to download model data(bucket: {source.bucket}, key: {source.key}). Please ensure that there is an object located at "
        "the URL and that the role passed to CreateModel has permissions to download the model."
    )
