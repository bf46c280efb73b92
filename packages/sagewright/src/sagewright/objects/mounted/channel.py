"""What the file system of a channel will show, found out before the training starts and kept beside the job's marks.

A share's marker holds the description, a JSON document for the program (program.py): that of a copied channel is empty.
Nothing of the data moves, and where every instance gets everything only one page of keys is listed, however many there are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sagewright.base.files import write
from sagewright.objects.mounted.names import is_shown, line_of
from sagewright.objects.s3 import Location, Objects, Stored
from sagewright.objects.transfer import Access, Share, TransferError, below, listed, location_of, no_objects

BATCH = 10_000
"""Names that are held in memory before they are written."""


async def describe_channel(objects: Objects, channel: Mapping[str, Any], shares: Sequence[Share], access: Access) -> None:
    """Writes the markers of a FastFile channel (API Channel). Raises TransferError, ConnectionError."""
    left = [share for share in shares if not share.marker.exists()]
    if not left:
        return
    source = channel["DataSource"]["S3DataSource"]
    if source.get("S3DataDistributionType") == "ShardedByS3Key" and len(shares) > 1:
        await _share_out(objects, source["S3Uri"], shares, access)
        return
    prefix, beginning = await _root(objects, source["S3Uri"], access)
    for share in left:
        await mark(share, {"prefix": [prefix.bucket, prefix.key], "beginning": beginning})


def description(marker: Path) -> dict[str, Any] | None:
    """What a channel's file system shows; None for a channel that was copied, or that is not there."""
    try:
        text = marker.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


async def mark(share: Share, found: Mapping[str, Any]) -> None:
    """Writes a share's marker."""
    share.marker.parent.mkdir(parents=True, exist_ok=True)
    share.folder.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(write, share.marker, json.dumps(found).encode())


async def mark_fixed(share: Share, items: Iterable[tuple[str, Stored]]) -> None:
    """The same for objects under paths that are known."""
    share.marker.parent.mkdir(parents=True, exist_ok=True)
    names = names_of(share)
    await asyncio.to_thread(_write_names, names, items)
    await mark(share, {"fixed": str(names)})


def names_of(share: Share) -> Path:
    """Where the paths and objects of a share are listed, for ``names.read_fixed``."""
    return share.marker.with_name(f"{share.marker.name}.names")


async def _root(objects: Objects, uri: str, access: Access) -> tuple[Location, str]:
    """The folder that a prefix is; a prefix that is none shows the names that begin with its last step.

    Raises TransferError when there is nothing.
    """
    location = location_of(uri)
    folder = Location(location.bucket, f"{location.key.rstrip('/')}/" if location.key else "")
    if await _has_any(objects, folder, access):
        return folder, ""
    start = location.key.rfind("/") + 1
    if location.key[start:] and await _has_any(objects, location, access):
        return Location(location.bucket, location.key[:start]), location.key[start:]
    raise TransferError(f"ClientError: {no_objects(uri, access)}")


async def _has_any(objects: Objects, prefix: Location, access: Access) -> bool:
    async for _ in listed(objects, prefix, access, most=1):
        return True
    return False


async def _share_out(objects: Objects, uri: str, shares: Sequence[Share], access: Access) -> None:
    """Every n-th object to each, as in File mode; the list goes to disk as it comes."""
    for share in shares:
        share.marker.parent.mkdir(parents=True, exist_ok=True)
        names_of(share).write_text("")
    count = 0
    async for batch in _batches(_shown(objects, uri, access)):
        for index, share in enumerate(shares):
            await asyncio.to_thread(_append, names_of(share), batch[(index - count) % len(shares) :: len(shares)])
        count += len(batch)
    if not count:
        raise TransferError(f"ClientError: {no_objects(uri, access)}")
    for share in shares:
        await mark(share, {"fixed": str(names_of(share))})


async def _shown(objects: Objects, uri: str, access: Access) -> AsyncIterator[tuple[str, Stored]]:
    prefix = location_of(uri)
    async for stored in listed(objects, prefix, access):
        path = below(prefix.key, stored)
        if path and all(map(is_shown, path.split("/"))):
            yield path, stored


async def _batches(items: AsyncIterator[tuple[str, Stored]]) -> AsyncIterator[list[tuple[str, Stored]]]:
    batch = []
    async for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _write_names(file: Path, items: Iterable[tuple[str, Stored]]) -> None:
    with file.open("w", encoding="utf-8") as sink:
        sink.writelines(line_of(path, stored) for path, stored in items)


def _append(file: Path, items: Sequence[tuple[str, Stored]]) -> None:
    with file.open("a", encoding="utf-8") as sink:
        sink.writelines(line_of(path, stored) for path, stored in items)
