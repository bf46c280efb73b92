"""Objects in memory: the same contract as objects.s3.Objects, without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from sagewright.objects.s3 import Location, Objects, Stored


class MemoryObjects(Objects):
    """Buckets are a dict of objects; ``away`` makes every call raise ConnectionError, ``denied`` buckets PermissionError."""

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {bucket: {} for bucket in buckets}
        self.away = False
        self.denied: set[str] = set()
        self.downloads: list[str] = []
        self.listed = 0
        self.types: dict[str, str] = {}

    def put(self, uri: str, body: bytes = b"") -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.buckets[bucket][key] = body

    def keys(self, bucket: str) -> list[str]:
        return sorted(self.buckets[bucket])

    def get(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.buckets[bucket][key]

    async def list(self, prefix: Location, most: int = 1000) -> AsyncIterator[Stored]:  # type: ignore[override]
        bucket = self._bucket(prefix)
        for key in sorted(bucket):
            if key.startswith(prefix.key):
                self.listed += 1
                yield Stored(Location(prefix.bucket, key), len(bucket[key]), 0.0)

    async def children(self, prefix: Location) -> AsyncIterator[Stored | str]:  # type: ignore[override]
        folders = dict[str, None]()
        async for stored in self.list(prefix):
            rest, slash, _ = stored.location.key[len(prefix.key) :].partition("/")
            if slash:
                folders[f"{prefix.key}{rest}/"] = None
            else:
                yield stored
        for folder in folders:
            yield folder

    async def read_into(self, stored: Stored, start: int, memory: memoryview) -> None:
        memory[:] = self._body(stored.location)[start : start + len(memory)]

    async def open(self, stored: Stored, start: int = 0, stop: int | None = None) -> MemoryBody:  # type: ignore[override]
        self._body(stored.location)
        return MemoryBody(self, stored, start)

    async def head(self, location: Location) -> Stored:
        return Stored(
            location, len(self._body(location)), 0.0, content_type=self.types.get(str(location), "binary/octet-stream")
        )

    async def read(self, location: Location) -> bytes:
        return self._body(location)

    async def write(self, location: Location, body: bytes) -> None:
        self._bucket(location)[location.key] = body

    async def download(self, location: Location, file: Path, size: int = 0) -> None:
        self.downloads.append(location.key)
        partial = file.with_name(file.name + ".partial")
        partial.write_bytes(self._body(location))
        partial.replace(file)

    async def upload(self, file: Path, location: Location, content_type: str = "") -> None:
        bucket = self._bucket(location)
        self.types[str(location)] = content_type
        with file.open("rb") as source:
            bucket[location.key] = source.read()

    async def delete(self, location: Location) -> None:
        self._bucket(location).pop(location.key, None)

    def _bucket(self, location: Location) -> dict[str, bytes]:
        if self.away:
            raise ConnectionError("S3 is away")
        if location.bucket in self.denied:
            raise PermissionError("denied")
        if location.bucket not in self.buckets:
            raise FileNotFoundError(f"no bucket {location.bucket}")
        return self.buckets[location.bucket]

    def _body(self, location: Location) -> bytes:
        bucket = self._bucket(location)
        if location.key not in bucket:
            raise FileNotFoundError(f"no object {location.key}")
        return bucket[location.key]


class MemoryBody:
    """See objects.body.ObjectBody; the object must stay there while it is read."""

    def __init__(self, objects: MemoryObjects, stored: Stored, start: int) -> None:
        self._objects = objects
        self._stored = stored
        self._at = start

    async def fill(self, memory: memoryview) -> None:
        await self._objects.read_into(self._stored, self._at, memory)
        self._at += len(memory)

    async def close(self) -> None:
        """Nothing is open."""
