"""Carries what the fronts captured of endpoints to S3: a spool file becomes an object for each hour it has exchanges of.

The same file always gives the same objects, so a control that was killed between writing and deleting writes them again and changes
nothing. A bucket that is away or gone costs patience, not requests: files wait, and after an hour of refusals they are given up.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from sagewright.base.world import World
from sagewright.kernel.feature import Feature
from sagewright.objects.s3 import Location, Objects
from sagewright.signals import logs
from sagewright.signals.exchanges import CLOSED, OPEN, Exchange, Source, document, event_of, read
from sagewright.signals.logs import Event
from sagewright.store.database import Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""Between two looks when nobody says that there is something."""
ORPHANED_SECONDS = 60.0
"""A file that was not written to for so long and that nobody locks has lost its writer."""
GIVEN_UP_SECONDS = 3600.0


class Delivery(Feature):
    """``wake`` when a front says that a file is complete."""

    def __init__(self, store: Store, objects: Objects, spool: Path) -> None:
        self._store = store
        self._objects = objects
        self._spool = spool
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._refused: dict[str, float] = {}

    async def open(self) -> None:
        """Begins with what is left of before; once."""
        if self._task is not None:
            return
        self._task = asyncio.get_running_loop().create_task(self._run())

    def wake(self) -> None:
        """There is something to carry."""
        self._news.set()

    async def close(self) -> None:
        """Ends it; what is on its way is carried again by the next control."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def reset(self) -> None:
        """Throws away what is complete (test hooks): the buckets it was for are gone."""
        for file in await asyncio.to_thread(_complete, self._spool):
            await self._done(file)

    async def deliver(self) -> None:
        """Carries every file that is complete."""
        for file in await asyncio.to_thread(_complete, self._spool):
            try:
                await self._carry(file)
            except OSError as problem:
                await self._refusal(file, problem)
            else:
                await self._done(file)

    async def _run(self) -> None:
        while True:
            self._news.clear()
            try:
                await self.deliver()
            except Exception:  # one file must not end it for all others
                log.exception("captured exchanges could not be carried to S3")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)

    async def _carry(self, file: Path) -> None:
        content = await asyncio.to_thread(read, file)
        if content is None:
            return
        source, exchanges = content
        if source.dropped:
            await self._say(
                source, f"{source.dropped} exchanges were not captured: they came faster than they could be written."
            )
        objects = await asyncio.to_thread(_objects, file.stem, source, exchanges)
        for location, body in objects:
            await self._objects.write(location, body)

    async def _refusal(self, file: Path, problem: OSError) -> None:
        """Says it once, and gives up after an hour."""
        now = time.monotonic()
        is_news = file.name not in self._refused
        given_up = now - self._refused.setdefault(file.name, now) > GIVEN_UP_SECONDS
        content = await asyncio.to_thread(read, file)
        if content is not None and (is_news or given_up):
            source = content[0]
            end = " It is given up." if given_up else ""
            await self._say(source, f"Captured data cannot be written to {source.config['DestinationS3Uri']}: {problem}.{end}")
        if given_up:
            await self._done(file)

    async def _done(self, file: Path) -> None:
        self._refused.pop(file.name, None)
        await asyncio.to_thread(file.unlink, missing_ok=True)

    async def _say(self, source: Source, line: str) -> None:
        """In the log of the endpoint, in a stream of its own."""
        account, region, name = source.endpoint.split("/")
        world, group, stream = World(account, region), f"/aws/sagemaker/Endpoints/{name}", f"{source.variant}/data-log"
        event = Event(int(self._store.clock.now() * 1000), line)
        await self._store.write(lambda transaction: logs.append(transaction, world, group, stream, [event]))


def _complete(spool: Path) -> list[Path]:
    """The files nobody writes any more, oldest first."""
    found = []
    with suppress(FileNotFoundError), os.scandir(spool) as entries:
        for entry in entries:
            path, modified = Path(entry.path), entry.stat().st_mtime
            if entry.name.endswith(CLOSED) or (entry.name.endswith(OPEN) and _orphaned(path, modified)):
                found.append((modified, path))
    return [path for _, path in sorted(found)]


def _orphaned(path: Path, modified: float) -> bool:
    if time.time() - modified < ORPHANED_SECONDS:
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _objects(name: str, source: Source, exchanges: Iterable[Exchange]) -> list[tuple[Location, bytes]]:
    """``<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/<minute>-<second>-<milliseconds>-<name>.jsonl``, one for each hour."""
    destination = Location.parse(source.config["DestinationS3Uri"])
    hours: dict[str, tuple[float, list[bytes]]] = {}
    for number, exchange in enumerate(exchanges):
        hour = datetime.fromtimestamp(exchange.at, UTC).strftime("%Y/%m/%d/%H")
        _, lines = hours.setdefault(hour, (exchange.at, []))
        lines.append(document(exchange, event_of(name, number), source.config))
    endpoint = source.endpoint.rpartition("/")[2]
    found = []
    for hour, (first, lines) in hours.items():
        moment = datetime.fromtimestamp(first, UTC)
        file = f"{moment:%M-%S}-{moment.microsecond // 1000:03d}-{name}.jsonl"
        key = "/".join(filter(None, (destination.key.strip("/"), endpoint, source.variant, hour, file)))
        found.append((Location(destination.bucket, key), b"".join(lines)))
    return found
