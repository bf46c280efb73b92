"""The contract of objects.s3.Objects, held against the embedded server through the front. Feature row B01."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from support.front import FrontRig, object_process, settings_in, short_folder

from sagewright.objects.s3 import Location, Objects
from sagewright.objects.signing import Keys


@pytest.fixture(scope="module")
def rig() -> Iterator[FrontRig]:
    with short_folder() as folder:
        settings = settings_in(folder)
        with object_process(settings), FrontRig(settings) as started:
            yield started


@pytest.fixture
async def objects(rig: FrontRig) -> AsyncIterator[Objects]:
    client = Objects(rig.url, Keys(rig.keyring.access_key, rig.keyring.secret))
    yield client
    await client.close()


@pytest.fixture
def bucket(rig: FrontRig) -> str:
    name = f"bucket-{uuid4().hex[:12]}"
    with contextlib.closing(rig.client("s3")) as s3:
        s3.create_bucket(Bucket=name)
    return name


async def listed(objects: Objects, prefix: Location) -> list[str]:
    return [stored.location.key async for stored in objects.list(prefix)]


ODD = ["/lead", "a//b", "a/b c+ü%41", "a/b", "dir/", "dir/in", "dir2/x", "x:y"]


async def test_round_trip_and_listing(objects: Objects, bucket: str) -> None:
    """Keys are plain text: a prefix need not end at a slash, folder markers keep theirs, empty segments stay."""
    for key in ODD:
        await objects.write(Location(bucket, key), b"" if key.endswith("/") else key.encode())
    assert sorted(await listed(objects, Location(bucket, ""))) == sorted(ODD)
    assert await listed(objects, Location(bucket, "dir")) == ["dir/", "dir/in", "dir2/x"]
    assert await listed(objects, Location(bucket, "/l")) == ["/lead"]
    assert await listed(objects, Location(bucket, "none")) == []
    for key in ODD:
        stored = await objects.head(Location(bucket, key))
        assert (stored.location.key, stored.size) == (key, 0 if key.endswith("/") else len(key.encode()))
        assert await objects.read(stored.location) == (b"" if key.endswith("/") else key.encode())
    (entry,) = [stored async for stored in objects.list(Location(bucket, "x"))]
    head = await objects.head(entry.location)
    assert (entry.size, entry.etag, entry.modified) == (head.size, head.etag, head.modified)


async def test_listing_over_several_pages(objects: Objects, bucket: str) -> None:
    names = [f"p/{number:04}" for number in range(1100)]
    for start in range(0, 1100, 100):
        await asyncio.gather(*(objects.write(Location(bucket, name), b"x") for name in names[start : start + 100]))
    assert await listed(objects, Location(bucket, "p/")) == names


@pytest.mark.parametrize("key", ["big/file.bin", "/odd//file.bin"])
@pytest.mark.parametrize("size", [0, 1000, 20_000_000])
async def test_files(objects: Objects, bucket: str, tmp_path: Path, key: str, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    await objects.upload(source, Location(bucket, key))
    target = tmp_path / "target"
    await objects.download(Location(bucket, key), target)
    assert target.read_bytes() == source.read_bytes()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["source", "target"]


@pytest.mark.parametrize("key", ["k", "a//b"])
async def test_ranges_into_memory(objects: Objects, bucket: str, key: str) -> None:
    """Of objects in several pieces, at any place; one that is another object by now is not mixed up with it (G07)."""
    location, body = Location(bucket, key), os.urandom(17 << 20)
    await objects.write(location, body)
    stored = await objects.head(location)
    for start, stop in ((0, len(body)), (5, 6), (8_000_000, 9_000_001), (len(body) - 3, len(body))):
        memory = bytearray(stop - start)
        await objects.read_into(stored, start, memoryview(memory))
        assert memory == body[start:stop]
    await objects.write(location, b"another")
    with pytest.raises(OSError, match="has changed since it was listed"):
        await objects.read_into(stored, 0, memoryview(bytearray(100)))
    await objects.delete(location)
    with pytest.raises(FileNotFoundError):
        await objects.read_into(stored, 0, memoryview(bytearray(100)))


async def test_parts_are_kept_as_they_are(rig: FrontRig, objects: Objects, bucket: str, tmp_path: Path) -> None:
    """SeaweedFS would compress what looks like text, and unpack it at every reading; the type is that of the whole object (B01)."""
    location, body = Location(bucket, "rows.csv"), b"0.123456,1.234567\n" * 1_000_000
    (tmp_path / "rows").write_bytes(body)
    before = stored_bytes(rig)
    await objects.upload(tmp_path / "rows", location, "text/csv")
    assert stored_bytes(rig) - before >= len(body)
    assert (await objects.head(location)).content_type == "text/csv"
    assert await objects.read(location) == body


def stored_bytes(rig: FrontRig) -> int:
    return sum(file.stat().st_size for file in (rig.settings.objects / "weed").rglob("*.dat"))


async def test_delete(objects: Objects, bucket: str) -> None:
    await objects.write(Location(bucket, "k"), b"x")
    await objects.delete(Location(bucket, "k"))
    await objects.delete(Location(bucket, "k"))
    assert await listed(objects, Location(bucket, "")) == []


async def test_missing(objects: Objects, bucket: str, tmp_path: Path) -> None:
    missing = Location(bucket, "none")
    nowhere = Location("no-such-bucket-here", "none")
    (tmp_path / "file").write_bytes(b"x")
    for location in (missing, nowhere):
        with pytest.raises(FileNotFoundError):
            await objects.head(location)
        with pytest.raises(FileNotFoundError):
            await objects.read(location)
        with pytest.raises(FileNotFoundError):
            await objects.download(location, tmp_path / "target")
    with pytest.raises(FileNotFoundError):
        await objects.write(nowhere, b"x")
    with pytest.raises(FileNotFoundError):
        await objects.upload(tmp_path / "file", nowhere)
    with pytest.raises(FileNotFoundError):
        await listed(objects, nowhere)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


async def test_refused(rig: FrontRig, bucket: str, tmp_path: Path) -> None:
    stranger = Objects(rig.url, Keys(rig.keyring.access_key, "wrong"))
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(PermissionError):
        await stranger.read(Location(bucket, "k"))
    with pytest.raises(PermissionError):
        await listed(stranger, Location(bucket, ""))
    with pytest.raises(PermissionError):
        await stranger.upload(tmp_path / "file", Location(bucket, "k"))
    with pytest.raises(PermissionError):
        await stranger.download(Location(bucket, "k"), tmp_path / "target")
    await stranger.close()


async def test_not_reachable() -> None:
    nobody = Objects("http://127.0.0.1:1", Keys("a", "b"))
    with pytest.raises(ConnectionError):
        await nobody.read(Location("bucket", "k"))


async def test_temporary_keys(rig: FrontRig, bucket: str) -> None:
    keys = rig.keyring.mint("123456789012", "arn:aws:iam::123456789012:role/R", "job", 600, time.time())
    objects = Objects(rig.url, Keys(keys.access_key, keys.secret, keys.token))
    await objects.write(Location(bucket, "k"), b"x")
    assert await objects.read(Location(bucket, "k")) == b"x"
    await objects.close()


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://bucket/a/b", "bucket", "a/b"),
        ("s3://bucket", "bucket", ""),
        ("s3://bucket/", "bucket", ""),
        ("s3://bucket//a", "bucket", "/a"),
        ("s3://bucket/a%20b?c", "bucket", "a%20b?c"),
        ("https://bucket.s3-eu-west-1.amazonaws.com/a%20b", "bucket", "a b"),
        ("https://bucket.s3.eu-west-1.amazonaws.com/a", "bucket", "a"),
        ("https://my.bucket.s3.amazonaws.com/a/b?versionId=1", "my.bucket", "a/b"),
        ("https://s3.eu-west-1.amazonaws.com/bucket/a", "bucket", "a"),
        ("https://s3-eu-west-1.amazonaws.com/bucket/a", "bucket", "a"),
        ("http://127.0.0.1:8400/bucket/a", "bucket", "a"),
    ],
)
def test_locations(uri: str, bucket: str, key: str) -> None:
    assert Location.parse(uri) == Location(bucket, key)


@pytest.mark.parametrize(
    "uri", ["", "bucket/key", "file:///etc/passwd", "s3://", "s3:///key", "https://s3.amazonaws.com/", "s3://../x"]
)
def test_what_is_no_location(uri: str) -> None:
    with pytest.raises(ValueError, match=r"S3 location|no bucket"):
        Location.parse(uri)
