"""Keeps a job's checkpoint folder and its S3 prefix alike (DG model-checkpoints).

What lies under the prefix is brought in before the container starts. From then on the container leads: new and changed files
go up, deletions are mirrored, and objects that others add are left alone. A ledger beside the folder says what is in S3.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from sagewright.base.files import write
from sagewright.base.folders import Entry, files
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.transfer import Access, each, fetch, object_below, select, upload_files

Ledger = dict[str, list[int]]


async def restore(objects: Objects, uri: str, root: Path, below: str, ledger: Path, access: Access) -> None:
    """Fills ``root/below`` from the prefix, once. Raises TransferError, ConnectionError."""
    if ledger.exists():
        return
    prefix = uri if uri.endswith("/") else f"{uri}/"
    await fetch(objects, await select(objects, {"S3Uri": prefix}, access, required=False), root / below)
    entries = await asyncio.to_thread(files, root, below)
    _write(ledger, {entry.path: _mark(entry) for entry in entries})


async def push(
    objects: Objects, uri: str, root: Path, below: str, ledger: Path, before: float = float("inf"), mirrored: bool = True
) -> None:
    """Uploads what is new or changed since the last push and deletes what is gone. Raises TransferError, ConnectionError.

    Only files last changed ``before`` that time (epoch seconds) are uploaded: one that is still being written can wait.
    Not ``mirrored``: what is gone from the folder stays in S3.
    """
    known, prefix = _read(ledger), Location.parse(uri)
    entries = {entry.path: entry for entry in await asyncio.to_thread(files, root, below)}
    changed = [entry for entry in entries.values() if known.get(entry.path) != _mark(entry) and entry.modified < before * 1e9]
    gone = [path for path in known if path not in entries] if mirrored else []
    if not changed and not gone:
        return
    await upload_files(objects, root, below, changed, prefix)
    await each(gone, lambda path: objects.delete(object_below(prefix, path)))
    kept = {path: mark for path, mark in known.items() if path in entries}
    _write(ledger, {**kept, **{entry.path: _mark(entry) for entry in changed}})


def _mark(entry: Entry) -> list[int]:
    return [entry.size, entry.modified]


def _read(ledger: Path) -> Ledger:
    try:
        known: Ledger = json.loads(ledger.read_text())
    except FileNotFoundError:
        return {}
    return known


def _write(ledger: Path, known: Ledger) -> None:
    ledger.parent.mkdir(parents=True, exist_ok=True)
    write(ledger, json.dumps(known).encode())
