"""Brings adapters into running containers: the archive from S3 into a folder that the container sees, then ``POST /adapters``.

What a container has taken is noted on disk beside its copy, so that a restarted control knows; a new attempt of the container has
taken nothing. The folder is the server's alone and shown read-only: nothing that a container writes can lead the server elsewhere.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Literal

from sagewright.compute import trees
from sagewright.compute.http_replica import HttpReplica
from sagewright.compute.replica import Answer
from sagewright.kernel.controller import Later
from sagewright.kernel.errands import ErrandFailed, Errands
from sagewright.objects.s3 import Objects
from sagewright.serving.containers import ADAPTERS
from sagewright.serving.ensemble import Replicas
from sagewright.serving.model import fetch_adapter
from sagewright.serving.unit import Unit
from sagewright.store.rows import Identity

LOAD_SECONDS = 60.0
UNLOAD_SECONDS = 10.0
DOWNLOAD_SECONDS = 600.0
AGAIN_SECONDS = 5.0
UNABLE = (
    "The container of the base inference component does not take adapters (POST /adapters: {}). Images of LMI need OPTION_ENABLE_LORA=true; "
    "those of vLLM SM_VLLM_ENABLE_LORA=true and VLLM_ALLOW_RUNTIME_LORA_UPDATING=true."
)
REFUSED = "The container of the base inference component refused the adapter: {}"


class Registrar:
    """``mounts``: containers see the folder at ADAPTERS, else (plain processes) where it is."""

    def __init__(self, replicas: Replicas, objects: Objects, errands: Errands, mounts: bool) -> None:
        self._replicas = replicas
        self._objects = objects
        self._errands = errands
        self._mounts = mounts

    def loaded(self, unit: Unit, name: str) -> frozenset[str]:
        """Identifiers of the adapter ``name`` that this attempt of a copy's container has taken."""
        notes = (note.name for note in _notes(unit).glob(f"{unit.attempt}.{name}-*"))
        return frozenset(note.partition(".")[2] for note in notes if len(note) == len(f"{unit.attempt}.{name}-") + 8)

    def problem(self, adapter: Identity, unit: Unit, identifier: str) -> str:
        """Why it cannot be loaded; empty while that is not known."""
        errand = self._errands.look(adapter, _errand(unit, identifier))
        return errand.problem if errand.state == "failed" and not errand.retry else ""

    def load(self, adapter: Identity, unit: Unit, identifier: str, url: str) -> None:
        """Begins it, once more where it failed."""
        work = partial(self._load, unit, identifier, url)
        self._errands.renew(adapter, _errand(unit, identifier), work)

    async def unload(self, adapter: Identity, unit: Unit, identifier: str) -> None:
        """Doing it twice is the same as once. Raises Later while the container does not answer."""
        await self._errands.cancel(adapter, _errand(unit, identifier))
        if unit.home.exists():
            try:
                await self._ask(unit, "unload_adapter", identifier, b"", UNLOAD_SECONDS)
            except (ConnectionError, TimeoutError) as problem:
                raise Later(AGAIN_SECONDS, f"{unit.key} does not let go of {identifier}: {problem}") from problem
            await asyncio.to_thread(_forget, unit, identifier)

    async def abandon(self, adapter: Identity) -> None:
        """Ends what is on its way."""
        await self._errands.cancel(adapter)

    async def _load(self, unit: Unit, identifier: str, url: str) -> None:
        folder = unit.adapters / identifier
        if not folder.exists():
            await fetch_adapter(self._objects, url, folder, DOWNLOAD_SECONDS)
        source = f"{ADAPTERS}/{identifier}" if self._mounts else str(folder)
        asked = json.dumps({"name": identifier, "src": source, "preload": True}).encode()
        try:
            answer = await self._ask(unit, "load_adapter", "", asked, LOAD_SECONDS)
            if 400 <= answer.status < 500 and answer.status != 404:
                # A control that died may have loaded it without noting so, and some servers refuse what they have already.
                await self._ask(unit, "unload_adapter", identifier, b"", UNLOAD_SECONDS)
                answer = await self._ask(unit, "load_adapter", "", asked, LOAD_SECONDS)
        except TimeoutError as late:
            raise ErrandFailed(REFUSED.format(f"no answer within {LOAD_SECONDS:.0f} seconds")) from late
        if not 200 <= answer.status < 300:
            raise ErrandFailed(_words(answer))
        await asyncio.to_thread(_note, unit, identifier)

    async def _ask(
        self, unit: Unit, operation: Literal["load_adapter", "unload_adapter"], name: str, body: bytes, timeout: float
    ) -> Answer:
        replica = self._replicas.open(unit)
        if not isinstance(replica, HttpReplica):
            raise ErrandFailed(UNABLE.format("it has no HTTP of its own"))
        try:
            return await replica.manage(operation, name, body, timeout)
        finally:
            replica.close()


def _words(answer: Answer) -> str:
    said = answer.body[:500].decode("utf-8", "replace")
    if answer.status in (404, 405):
        return UNABLE.format(f"{answer.status} {said}")
    return REFUSED.format(said or answer.status)


def _errand(unit: Unit, identifier: str) -> str:
    return f"{unit.key} {identifier}"


def _notes(unit: Unit) -> Path:
    return unit.home / "adapted"


def _note(unit: Unit, identifier: str) -> None:
    _notes(unit).mkdir(exist_ok=True)
    (_notes(unit) / f"{unit.attempt}.{identifier}").touch()


def _forget(unit: Unit, identifier: str) -> None:
    (_notes(unit) / f"{unit.attempt}.{identifier}").unlink(missing_ok=True)
    trees.remove(unit.adapters / identifier)
