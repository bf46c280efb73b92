"""Stateful sessions: which container holds the state that a client's next request needs (DG:stateful-sessions).

The model makes the id and says until when it is good; the front sends every request that names it to the same container. A session is
known to the front that saw it begin, and lies in a small file for the other fronts and for the next one. It ends when the container
closes it, when its time is over, or with the container.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from sagewright.base import files
from sagewright.compute.replica import Address, Replica
from sagewright.front.routes import Endpoint, Variant
from sagewright.wire.errors import Fault

HEADER = "x-amzn-sagemaker-session-id"
OPENED = "x-amzn-sagemaker-new-session-id"
CLOSED = "x-amzn-sagemaker-closed-session-id"
NEW = "NEW_SESSION"
SWEEP_SECONDS = 300.0

_ID = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_SAID = re.compile(r"([a-zA-Z0-9](?:-*[a-zA-Z0-9])*);\s*Expires=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
_LONGEST = 256


class Session(NamedTuple):
    """``expires`` in epoch seconds."""

    variant: str
    address: Address
    expires: float


class Sessions:
    """The sessions of all endpoints, by ``<account>/<region>/<name>`` of the endpoint and id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, str], Session] = {}
        self._swept = time.monotonic()

    async def join(self, endpoint: Endpoint, chosen: Variant, key: str, identifier: str) -> tuple[Variant, Sequence[Replica]]:
        """The variant and the one container of a session. Raises Fault when there is none of this id any more.

        ``chosen`` is the variant (or inference component) that a call without session would go to.
        """
        if len(identifier) > _LONGEST or not _ID.fullmatch(identifier):
            raise Fault("ValidationError", f"{identifier[:_LONGEST]!r} is neither {NEW} nor the ID of a session.")
        session = self._known.get((key, identifier)) or await asyncio.to_thread(self._read, key, identifier)
        if session is not None and session.expires > time.time():
            greens = [variant.green for variant in endpoint.variants if variant.green is not None]
            for variant in (chosen, *endpoint.variants, *greens):
                holder = [replica for replica in variant.replicas if replica.address == session.address]
                if holder:
                    self._known[key, identifier] = session
                    return variant, holder
        await self._forget(key, identifier)
        # The words are ours: the guide only says that the request fails.
        raise Fault("ValidationError", f"Session {identifier} not found. It was closed, has expired, or its instance is gone.")

    async def note(self, key: str, variant: str, address: Address, answered: Mapping[str, str]) -> None:
        """Takes notice of what a container says of sessions. Raises ValueError when that cannot be understood."""
        if said := answered.get(OPENED):
            await self._open(key, said, variant, address)
        if closed := answered.get(CLOSED):
            await self._forget(key, closed)

    async def _open(self, key: str, said: str, variant: str, address: Address) -> None:
        found = _SAID.fullmatch(said.strip())
        if found is None or len(found[1]) > _LONGEST:
            raise ValueError(
                f"the container's X-Amzn-SageMaker-New-Session-Id is not of the form <ID>; Expires=<time>: {said[:100]!r}"
            )
        until = datetime.strptime(found[2], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        session = self._known[key, found[1]] = Session(variant, address, until)
        await asyncio.to_thread(self._write, key, found[1], session)

    async def _forget(self, key: str, identifier: str) -> None:
        self._known.pop((key, identifier), None)
        await asyncio.to_thread(self._file(key, identifier).unlink, missing_ok=True)

    def _file(self, key: str, identifier: str) -> Path:
        return self._folder / hashlib.sha256(f"{key}\n{identifier}".encode()).hexdigest()

    def _write(self, key: str, identifier: str, session: Session) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        files.write(self._file(key, identifier), orjson.dumps((session.variant, tuple(session.address), session.expires)))
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            self._sweep(time.time())

    def _read(self, key: str, identifier: str) -> Session | None:
        return _session(self._file(key, identifier))

    def _sweep(self, now: float) -> None:
        for known, session in list(self._known.items()):
            if session.expires < now:
                self._known.pop(known, None)
        for file in self._folder.iterdir():
            written = _session(file)
            if written is None or written.expires < now:
                file.unlink(missing_ok=True)


def _session(file: Path) -> Session | None:
    with suppress(OSError, ValueError, TypeError):
        variant, address, expires = orjson.loads(file.read_bytes())
        return Session(variant, Address(*address), expires)
    return None
