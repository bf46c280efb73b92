"""Brings a Pipe-mode channel to the folders of a container, from which its toolkit feeds the FIFOs (``sagewright_container.pipes``).

The folder ``objects`` gets each object under a name made of its location, so that any key will do: copies, of which none need come
again, or a file system that streams them (``mounted``). Beside it lies
``channel.json``, which is written last: the records in their order, each a list of parts, {"File": name, "Key": location} or {"Text": text}, and
how they are to be streamed: ``Gzip``, ``RecordIO``, ``Seed`` (None without ShuffleConfig), ``Shard`` ([0, 1]: all records).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagewright.base.files import write
from sagewright.objects.mounted.channel import mark_fixed
from sagewright.objects.s3 import Location, Objects, Stored
from sagewright.objects.transfer import (
    Access,
    Item,
    Share,
    TransferError,
    each,
    fetch,
    in_order,
    look_up,
    no_objects,
    read_manifest,
)

PLAN = "channel.json"
OBJECTS = "objects"
"""The folder of the objects beside it."""
RECORD_BYTES = 1 << 29
"""RecordIO keeps a length in 29 bits."""

Part = Stored | str
"""An object's content, or text that stands in an augmented manifest."""
Record = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Portion:
    """What one instance gets, and which of it it streams: every ``of``-th record, from ``index``."""

    records: Sequence[Record]
    index: int = 0
    of: int = 1


async def download_pipe(
    objects: Objects, channel: Mapping[str, Any], shares: Sequence[Share], access: Access, mounted: bool = False
) -> None:
    """Brings a Pipe-mode channel (API Channel) to the instances that get it. Can be repeated.

    ``mounted``: the objects stay where they are, for a file system will show them in the place of the copies.

    Raises TransferError for what the user can mend, ConnectionError when S3 is away: then calling again goes on.
    """
    left = [(index, share) for index, share in enumerate(shares) if not share.marker.exists()]
    if not left:
        return
    records = await _records(objects, channel["DataSource"]["S3DataSource"], access)
    _check_sizes(channel, records)

    async def bring(numbered: tuple[int, Share]) -> None:
        index, share = numbered
        portion = _portion(channel, records, index, len(shares))
        share.folder.mkdir(parents=True, exist_ok=True)
        stored = dict.fromkeys(part for record in portion.records for part in record if isinstance(part, Stored))
        (share.folder / OBJECTS).mkdir(exist_ok=True)
        if not mounted:
            await fetch(objects, [Item(part, _name(part)) for part in stored], share.folder / OBJECTS)
        content = json.dumps(_plan(channel, portion)).encode()
        await asyncio.to_thread(write, share.folder / PLAN, content)
        if mounted:
            await mark_fixed(share, ((_name(part), part) for part in stored))
        else:
            share.marker.parent.mkdir(parents=True, exist_ok=True)
            share.marker.touch()

    await each(left, bring)


def _portion(channel: Mapping[str, Any], records: Sequence[Record], index: int, of: int) -> _Portion:
    """API ShuffleConfig: with ShardedByS3Key each epoch is shared out anew, so every instance needs all objects then."""
    if channel["DataSource"]["S3DataSource"].get("S3DataDistributionType") != "ShardedByS3Key":
        return _Portion(records)
    return _Portion(records, index, of) if "ShuffleConfig" in channel else _Portion(records[index::of])


def _plan(channel: Mapping[str, Any], portion: _Portion) -> dict[str, Any]:
    return {
        "Records": [[_part(part) for part in record] for record in portion.records],
        "Gzip": channel.get("CompressionType") == "Gzip",
        "RecordIO": channel.get("RecordWrapperType") == "RecordIO",
        "Seed": channel["ShuffleConfig"]["Seed"] if "ShuffleConfig" in channel else None,
        "Shard": [portion.index, portion.of],
    }


def _part(part: Part) -> dict[str, str]:
    return {"Text": part} if isinstance(part, str) else {"File": f"{OBJECTS}/{_name(part)}", "Key": str(part.location)}


def _name(stored: Stored) -> str:
    return hashlib.sha256(str(stored.location).encode()).hexdigest()


def _check_sizes(channel: Mapping[str, Any], records: Iterable[Record]) -> None:
    if channel.get("RecordWrapperType") != "RecordIO":
        return
    for part in (part for record in records for part in record):
        if isinstance(part, Stored) and part.size >= RECORD_BYTES:
            raise TransferError(f"ClientError: Data download failed:{part.location} is too large for a RecordIO record.")


async def _records(objects: Objects, source: Mapping[str, Any], access: Access) -> list[Record]:
    """In the order in which they are streamed: by key, as the manifest says, or line by line."""
    if source.get("S3DataType") == "AugmentedManifestFile":
        return await _of_augmented_manifest(objects, source, access)
    return [(item.stored,) for item in await in_order(objects, source, access)]


async def _of_augmented_manifest(objects: Objects, source: Mapping[str, Any], access: Access) -> list[Record]:
    """DG augmented-manifest: the attributes of AttributeNames, in that order; ``…-ref`` names an object, the rest is sent as text."""
    uri = source["S3Uri"]
    content = await read_manifest(objects, uri, access)
    lines = [_attributes(uri, number, line, source.get("AttributeNames", ())) for number, line in _lines(content)]
    if not lines:
        raise TransferError(f"ClientError: {no_objects(uri, access)}")
    wanted = [value for line in lines for value in line if isinstance(value, Location)]
    stored = await look_up(objects, wanted, "augmented manifest")
    return [tuple(stored[value] if isinstance(value, Location) else value for value in line) for line in lines]


def _lines(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Of JSON Lines, numbered from 1; bytes.splitlines would cut at nothing else than a line's end, either."""
    return ((number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip())


def _attributes(uri: str, number: int, line: bytes, names: Sequence[str]) -> list[Location | str]:
    where = f'line {number} of the augmented manifest file "{uri}"'
    try:
        document = json.loads(line)
        return [_attribute(name, document[name]) for name in names]
    except KeyError as error:
        raise TransferError(f"ClientError: Data download failed:The attribute {error.args[0]!r} is not in {where}.") from error
    except (ValueError, TypeError) as error:
        raise TransferError(f"ClientError: Data download failed:{where[0].upper()}{where[1:]} is malformed: {error}") from error


def _attribute(name: str, value: Any) -> Location | str:
    """Raises ValueError."""
    if name.endswith("-ref"):
        if not isinstance(value, str):
            raise ValueError(f"{name} is not an S3 URI")
        return Location.parse(value)
    return value if isinstance(value, str) else json.dumps(value)
