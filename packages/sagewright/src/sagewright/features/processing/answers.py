"""Has queries answered: fetches what their tables hold, asks the engine in a process of its own, stores the answer in S3."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sagewright.compute import trees
from sagewright.features.processing import tables
from sagewright.features.processing.dataset import Dataset
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.transfer import Access, fetch, object_below, select

_SOURCE = str(Path(__file__).parents[3])
_PROGRAM = f"import sys; sys.path.insert(0, {_SOURCE!r}); from sagewright.features.processing.query import main; main()"
INSTALL = "this machine has no SQL engine: pip install 'sagewright[sql]'"


class Answers:
    """``tables`` is the file that says where tables lie (tables.py)."""

    def __init__(self, objects: Objects, tables_file: Path) -> None:
        self._objects = objects
        self._tables = tables_file

    async def store(self, dataset: Dataset, goal: str, folder: Path, parts: int, access: Access) -> None:
        """The answer comes to the prefix ``goal``, in as many ``parts``; ``folder`` is room to work in, and removed.

        Can be repeated. Raises ErrandFailed, TransferError, ConnectionError.
        """
        await asyncio.to_thread(trees.remove, folder)
        folder.mkdir(parents=True, mode=0o700)
        try:
            shown = await self._fetched(dataset, folder, access)
            form, ending = dataset.form
            wanted = {"do": "answer", "query": dataset.query, "catalog": dataset.catalog, "schema": dataset.schema}
            room = {"folder": str(folder), "parts": parts, "form": form, "ending": ending}
            await self._ask(dataset, {**wanted, **room, "tables": shown})
            for file in sorted(folder.glob(f"part-*.{ending}")):
                await self._objects.upload(file, object_below(Location.parse(goal), file.name))
        except (FileNotFoundError, PermissionError) as refused:
            raise _failed(dataset, str(refused)) from refused
        finally:
            await asyncio.to_thread(trees.remove, folder)

    async def _fetched(self, dataset: Dataset, folder: Path, access: Access) -> list[dict[str, Any]]:
        """The tables that the query names, with their files."""
        answer = await self._ask(dataset, {"do": "names", "query": dataset.query})
        shown = []
        for number, name in enumerate(answer["names"]):
            path = [dataset.catalog, dataset.schema, name[0]] if len(name) == 1 else [dataset.catalog, *name][-3:]
            try:
                table = tables.find(self._tables, (*dataset.root, *path))
            except LookupError as unknown:
                raise _failed(dataset, str(unknown)) from unknown
            place = folder / f"table-{number}"
            place.mkdir()
            items = await select(self._objects, {"S3Uri": table.location}, access)
            await fetch(self._objects, [item for item in items if item.path], place)
            files = [str(place / item.path) for item in items if item.path]
            shown.append({"path": path, "format": table.format, "files": files})
        return shown

    async def _ask(self, dataset: Dataset, request: Mapping[str, Any]) -> dict[str, Any]:
        """One question to a process of its own, which goes with whoever asked."""
        engine = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            said, complaint = await engine.communicate(json.dumps(request).encode())
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                os.killpg(engine.pid, signal.SIGKILL)
            await engine.wait()
            raise
        if b"No module named 'duckdb'" in complaint:
            raise _failed(dataset, INSTALL)
        if engine.returncode:
            raise _failed(dataset, f"the SQL engine ended with {engine.returncode}")
        answer: dict[str, Any] = json.loads(said)
        if "problem" in answer:
            raise _failed(dataset, answer["problem"])
        return answer


def _failed(dataset: Dataset, why: str) -> ErrandFailed:
    return ErrandFailed(f"ClientError: The query of the input {dataset.name} failed: {why}")
