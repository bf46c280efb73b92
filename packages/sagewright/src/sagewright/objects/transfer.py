"""Moves data between S3 and the folders of a container: File-mode channels in, artefacts out (``piped.py`` has Pipe mode).

Keys are text from outside: each becomes a path below its folder or an error. Everything can be repeated: a file that is there
with the right size is not fetched again, and a marker beside the folder says that a channel is complete.
"""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from sagewright.base.archive import pack
from sagewright.base.folders import Entry, descriptor_path, files, opened
from sagewright.objects.s3 import PAGE, Location, Objects, Stored

T = TypeVar("T")

CONCURRENCY = 12
"""Small objects: 8 to 16 at once give 2 000 a second against a local S3, one at a time 500 (measured)."""
BATCH = 10_000
"""Keys of a prefix in memory while it is downloaded, some 450 bytes each."""
NAME_BYTES = 240
"""A file name has 255 bytes at most, and a download needs a few of them."""
MANIFEST_LIMIT = 64 * 1024 * 1024
BOTH = (
    "ClientError: Data download failed:Failed to download data. Please check your s3 objects and ensure that there is no "
    "object that is both a folder as well as a file."
)
DISK_FULL = "ClientError: Data download failed:There is not enough disk space for the input data."


class TransferError(Exception):
    """The user's data, bucket or permissions are at fault; the text is a FailureReason, ``ClientError: …``."""


@dataclass(frozen=True, slots=True)
class Access:
    """Named in error texts: the region and the role of the request."""

    region: str
    role: str


@dataclass(frozen=True, slots=True)
class Item:
    """An object and the path it gets below the channel's folder."""

    stored: Stored
    path: str


def no_objects(uri: str, access: Access) -> str:
    """AWS's text for an input without objects; CreateTrainingJob answers it, too."""
    return (
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists in the '
        f"selected region ({access.region}), that objects exist under that S3 prefix, and that the role "
        f'"{access.role}" has "s3:ListBucket" permissions on bucket "{location_of(uri).bucket}".'
    )


async def check_channel(objects: Objects, source: Mapping[str, Any], access: Access) -> None:
    """Raises TransferError when an S3DataSource names nothing that exists; looks at one object only."""
    uri = source["S3Uri"]
    async for _ in listed(objects, location_of(uri), access, most=1):
        return
    raise TransferError(f"ClientError: {no_objects(uri, access)}")


async def listed(objects: Objects, prefix: Location, access: Access, most: int = PAGE) -> AsyncIterator[Stored]:
    """The objects of a prefix, in key order, ``most`` of them in a request. Raises TransferError, ConnectionError."""
    try:
        async for stored in objects.list(prefix, most):
            yield stored
    except (FileNotFoundError, PermissionError) as error:
        raise TransferError(f"ClientError: {no_objects(str(prefix), access)}") from error


@dataclass(frozen=True, slots=True)
class Share:
    """Where an instance gets its part of a channel; ``marker`` is written when all of it is there."""

    folder: Path
    marker: Path


async def download_channel(objects: Objects, channel: Mapping[str, Any], shares: Sequence[Share], access: Access) -> None:
    """Brings a File-mode channel (API Channel) to the instances that get it: all of it, or each every n-th object by key.

    Raises TransferError for what the user can mend, ConnectionError when S3 is away: then calling again goes on.
    """
    left = [(index, share) for index, share in enumerate(shares) if not share.marker.exists()]
    if not left:
        return
    source = channel["DataSource"]["S3DataSource"]
    step = len(shares) if source.get("S3DataDistributionType") == "ShardedByS3Key" else 1
    for _, share in left:
        share.folder.mkdir(parents=True, exist_ok=True)
    passed = 0

    async def bring(numbered: tuple[int, Share]) -> None:
        index, share = numbered
        await fetch(objects, items[(index - passed) % step :: step], share.folder)

    async with aclosing(
        _batches(objects, source, access)
    ) as batches:  # one listing for all: what comes or goes must not move the shares
        async for items in batches:
            await each(left, bring)
            passed += len(items)
    for _, share in left:
        share.marker.parent.mkdir(parents=True, exist_ok=True)
        share.marker.touch()


async def _batches(objects: Objects, source: Mapping[str, Any], access: Access) -> AsyncGenerator[list[Item], None]:
    """What ``select`` gives, and raises, but a prefix in parts: however many keys it has, memory holds BATCH of them.

    Paths are checked within a part; what two parts make impossible together the disk tells (``fetch``).
    """
    uri = source["S3Uri"]
    if source.get("S3DataType", "S3Prefix") != "S3Prefix":
        yield await select(objects, source, access)
        return
    prefix, batch, some = location_of(uri), list[Item](), False
    async for stored in listed(objects, prefix, access):
        if path := below(prefix.key, stored):
            batch.append(Item(stored, path))
            some = True
        if len(batch) == BATCH:
            _check_paths(item.path for item in batch)
            yield batch
            batch = []
    if not some:
        raise TransferError(f"ClientError: {no_objects(uri, access)}")
    _check_paths(item.path for item in batch)
    yield batch


async def select(objects: Objects, source: Mapping[str, Any], access: Access, required: bool = True) -> list[Item]:
    """What an S3DataSource names, in key order, with the paths it gets. Raises TransferError, also when nothing ``required`` is there."""
    items = await in_order(objects, source, access, required)
    if source.get("S3DataType") == "ManifestFile":
        items.sort(key=lambda item: item.path)
    _check_paths(item.path for item in items)
    return items


async def in_order(objects: Objects, source: Mapping[str, Any], access: Access, required: bool = True) -> list[Item]:
    """The same in the order of the keys or of the manifest; nothing says that the paths are possible ones."""
    kind, uri = source.get("S3DataType", "S3Prefix"), source["S3Uri"]
    if kind == "ManifestFile":
        items = await _of_manifest(objects, uri, access)
    elif kind == "S3Prefix":
        items = [
            Item(stored, path)
            async for stored in listed(objects, location_of(uri), access)
            if (path := below(location_of(uri).key, stored))
        ]
    else:
        raise TransferError(f"ClientError: S3DataType {kind} needs Pipe input mode.")
    if required and not items:
        raise TransferError(f"ClientError: {no_objects(uri, access)}")
    return items


async def look_up(objects: Objects, locations: Iterable[Location], what: str) -> dict[Location, Stored]:
    """Looks every object up, once. Raises TransferError; ``what`` named them."""
    stored: dict[Location, Stored] = {}

    async def one(location: Location) -> None:
        try:
            stored[location] = await objects.head(location)
        except (FileNotFoundError, PermissionError) as error:
            text = f"ClientError: Data download failed:The {what} names {location}, which cannot be read."
            raise TransferError(text) from error

    await each(list(dict.fromkeys(locations)), one)
    return stored


async def fetch(objects: Objects, items: list[Item], folder: Path) -> None:
    """Downloads the items that are not there yet. Raises TransferError, ConnectionError."""
    missing = await asyncio.to_thread(_missing, items, folder)
    if sum(item.stored.size for item in missing) > shutil.disk_usage(folder).free:
        raise TransferError(DISK_FULL)

    async def one(item: Item) -> None:
        target = folder / item.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            await objects.download(item.stored.location, target, item.stored.size)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise TransferError(BOTH) from error
        except (FileNotFoundError, PermissionError) as error:
            raise TransferError(f"ClientError: Data download failed:{item.stored.location}: {error}") from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise TransferError(DISK_FULL) from error
            raise

    await each(missing, one)


async def read_manifest(objects: Objects, uri: str, access: Access) -> bytes:
    """A manifest's content. Raises TransferError, also for one that is too large."""
    location = location_of(uri)
    try:
        if (await objects.head(location)).size > MANIFEST_LIMIT:
            raise TransferError(f'ClientError: Data download failed:The manifest file "{uri}" is too large.')
        return await objects.read(location)
    except (FileNotFoundError, PermissionError) as error:
        raise TransferError(f"ClientError: {no_objects(uri, access)}") from error


async def upload_archive(objects: Objects, folders: Sequence[Path], target: Location, staging: Path) -> None:
    """Packs ``folders`` into the one tar.gz ``staging`` and uploads it. Raises TransferError, ConnectionError, OSError."""
    staging.parent.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(pack, folders, staging)
    try:
        await _upload(objects, staging, target)
    finally:
        staging.unlink(missing_ok=True)


async def upload_folders(objects: Objects, roots: Sequence[Path], below: str, prefix: Location) -> None:
    """Uploads every regular file of the folders ``root/below`` as an object of its own; of one name the first counts.

    Raises TransferError, ConnectionError.
    """
    taken: set[str] = set()
    for root in roots:
        entries = await asyncio.to_thread(files, root, below)
        await upload_files(objects, root, below, [entry for entry in entries if entry.path not in taken], prefix)
        taken.update(entry.path for entry in entries)


async def upload_files(objects: Objects, root: Path, below: str, entries: Iterable[Entry], prefix: Location) -> None:
    """The same for the entries given; one that has gone meanwhile is left out."""

    async def one(entry: Entry) -> None:
        try:
            with opened(root, f"{below}/{entry.path}" if below else entry.path) as handle:
                await _upload(objects, descriptor_path(handle), object_below(prefix, entry.path))
        except FileNotFoundError:
            return

    await each(list(entries), one)


def object_below(prefix: Location, path: str) -> Location:
    """The object for a file's path under a prefix; exactly one slash between them. Raises TransferError."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise TransferError("ClientError: Artifact upload failed:A file name is not UTF-8.") from error
    return Location(prefix.bucket, f"{prefix.key.rstrip('/')}/{path}".lstrip("/"))


async def each(items: list[T], work: Callable[[T], Awaitable[None]]) -> None:
    """Runs ``work`` on every item, some at a time; the first error ends the others and is raised."""
    left: Iterator[T] = iter(items)

    async def take() -> None:
        for item in left:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(CONCURRENCY, len(items))):
                group.create_task(take())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors


async def _upload(objects: Objects, file: Path, target: Location) -> None:
    try:
        await objects.upload(file, target)
    except FileNotFoundError as error:
        raise TransferError(f"ClientError: Artifact upload failed:The bucket {target.bucket} does not exist.") from error
    except PermissionError as error:
        raise TransferError(f"ClientError: Artifact upload failed:Access denied for {target}.") from error


async def _of_manifest(objects: Objects, uri: str, access: Access) -> list[Item]:
    """API S3DataSource: ``[{"prefix": "s3://bucket/folder/"}, "a.csv", "more/b.csv"]``."""
    prefix, names = await _read_manifest(objects, uri, access)
    locations = {name: Location(prefix.bucket, prefix.key + name) for name in names}
    stored = await look_up(objects, locations.values(), "manifest")
    return [Item(stored[location], name.lstrip("/")) for name, location in locations.items()]


async def _read_manifest(objects: Objects, uri: str, access: Access) -> tuple[Location, list[str]]:
    content = await read_manifest(objects, uri, access)
    try:
        document = json.loads(content)
        prefix, names = location_of(document[0]["prefix"]), document[1:]
    except (ValueError, LookupError, TypeError) as error:
        raise TransferError(f'ClientError: Data download failed:"{uri}" is not a manifest file.') from error
    if not all(isinstance(name, str) and name for name in names):
        raise TransferError(f'ClientError: Data download failed:The manifest file "{uri}" names something that is no key.')
    return prefix, list(dict.fromkeys(names))


def below(prefix: str, stored: Stored) -> str:
    """A key's path in the channel: what follows the prefix, or the last part of a prefix that does not end a folder."""
    key = stored.location.key
    if key.startswith(f"{prefix.rstrip('/')}/") and prefix:
        rest = key[len(prefix.rstrip("/")) + 1 :]
    else:
        rest = key[prefix.rfind("/") + 1 :]
    return "" if rest.endswith("/") else rest.lstrip("/")


def _check_paths(paths: Iterable[str]) -> None:
    """Every key must give a path below the folder, and no path may be a file and a folder at once."""
    files_: set[PurePosixPath] = set()
    folders: set[PurePosixPath] = set()
    for text in paths:
        path = PurePosixPath(text)
        if (
            ".." in text.split("/")
            or path.is_absolute()
            or "\0" in text
            or any(len(part.encode()) > NAME_BYTES for part in path.parts)
        ):
            raise TransferError(f"ClientError: Data download failed:The key {text!r} cannot be the path of a file.")
        if path in files_:
            raise TransferError(BOTH)
        files_.add(path)
        folders.update(path.parents)
    if files_ & folders:
        raise TransferError(BOTH)


def _missing(items: list[Item], folder: Path) -> list[Item]:
    return [item for item in items if not _is_there(folder / item.path, item.stored.size)]


def _is_there(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size


def location_of(uri: str) -> Location:
    """Raises TransferError."""
    try:
        return Location.parse(uri)
    except ValueError as error:
        raise TransferError(f'ClientError: "{uri}" is not an S3 URI.') from error
