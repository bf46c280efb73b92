"""What a channel's file system shows: folders and files, found when they are asked for, however many there are."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sagewright.objects.s3 import Location, Objects, Stored

NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Named:
    """A name in a folder; ``stored`` is None for a folder."""

    name: str
    stored: Stored | None = None


class Names(Protocol):
    """A tree of names. ``folder`` is a path below the root that ends with a slash, or empty for the root itself.

    ConnectionError: S3 is away. PermissionError: the names may not be seen.
    """

    async def look(self, folder: str, name: str) -> Named | None:
        """What has this name in this folder."""

    def entries(self, folder: str) -> AsyncGenerator[Named, None]:
        """All names of a folder, each once."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The objects whose keys begin with ``prefix``, as folders and files: names come from S3, a page at a time.

    ``prefix`` is that of a whole folder (or of all keys), and ``beginning`` what every name at the root begins with.
    """

    objects: Objects
    prefix: Location
    beginning: str = ""

    async def look(self, folder: str, name: str) -> Named | None:
        """See Names. One request for an object, two for a folder."""
        if not is_shown(name) or not (folder or name.startswith(self.beginning)):
            return None
        location = Location(self.prefix.bucket, f"{self.prefix.key}{folder}{name}")
        try:
            return Named(name, await self.objects.head(location))
        except FileNotFoundError:
            below = Location(location.bucket, f"{location.key}/")
            async for _ in self.objects.list(below, most=1):
                return Named(name)
            return None

    async def entries(self, folder: str) -> AsyncGenerator[Named, None]:
        """See Names; in the order of keys."""
        start = f"{self.prefix.key}{folder}"
        asked = Location(self.prefix.bucket, start if folder else f"{start}{self.beginning}")
        async for found in self.objects.children(asked):
            name = (found if isinstance(found, str) else found.location.key)[len(start) :]
            if isinstance(found, str) and is_shown(name[:-1]):
                yield Named(name[:-1])
            elif not isinstance(found, str) and is_shown(name):
                yield Named(name, found)


class Fixed:
    """Objects of any bucket under paths that were given them beforehand."""

    def __init__(self, items: Iterable[tuple[str, Stored]]) -> None:
        self._folders: dict[str, dict[str, Named]] = {"": {}}
        for path, stored in items:
            folder, name = self._folder_of(path)
            self._folders[folder][name] = Named(name, stored)

    async def look(self, folder: str, name: str) -> Named | None:
        """See Names."""
        return self._folders.get(folder, {}).get(name)

    async def entries(self, folder: str) -> AsyncGenerator[Named, None]:
        """See Names; in the order in which they were given."""
        for named in list(self._folders.get(folder, {}).values()):
            yield named

    def _folder_of(self, path: str) -> tuple[str, str]:
        """A path's folder, made where it is missing, and its name."""
        folder = ""
        *steps, name = [step for step in path.split("/") if step]
        for step in steps:
            self._folders[folder].setdefault(step, Named(step))
            folder = f"{folder}{step}/"
            self._folders.setdefault(folder, {})
        return folder, name


def is_shown(name: str) -> bool:
    """Whether a step of a key can be the name of a file: ``a//b`` and ``a/../b`` have steps that cannot."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name and len(name.encode()) <= NAME_BYTES


def line_of(path: str, stored: Stored) -> str:
    """A path and its object as ``read_fixed`` reads them."""
    location = stored.location
    return f"{json.dumps([path, location.bucket, location.key, stored.size, stored.modified, stored.etag])}\n"


def read_fixed(file: Path) -> Fixed:
    """Raises OSError."""
    with file.open(encoding="utf-8") as source:
        return Fixed(_item(*json.loads(line)) for line in source)


def _item(path: str, bucket: str, key: str, size: int, modified: float, etag: str) -> tuple[str, Stored]:
    return path, Stored(Location(bucket, key), size, modified, etag)
