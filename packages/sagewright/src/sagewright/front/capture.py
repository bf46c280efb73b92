"""Data capture: keeps what was asked and answered, and appends it to spool files that control carries to S3 (signals/exchanges.py).

On the path of a request this costs a number to sample with and a few additions: bodies are kept as they are, and written away by a
thread that holds no lock of the interpreter meanwhile. What waits in memory is bounded, and so is what waits on disk; beyond
that exchanges are dropped and counted, and no request waits.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import random
import shutil
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from sagewright.compute.replica import Answer
from sagewright.signals.exchanges import CLOSED, OPEN, Body, Exchange, Source, packed

log = logging.getLogger(__name__)

PERIOD = 0.25
"""Seconds between two writes to the spool."""
FILE_SECONDS = 5.0
FILE_BYTES = 8 * 1024 * 1024
"""A spool file is closed when it is that old or large; it becomes one object."""
MEMORY_LIMIT = 64 * 1024 * 1024
SPOOL_LIMIT = 1024 * 1024 * 1024
FULLEST = 0.97
"""How full the disk may be; AWS stops capturing at high disk use, too (DG:model-monitor-data-capture-endpoint)."""
_VECTORS = 3 * 128
"""Parts written at a time, three of an exchange; the kernel takes 1024."""
_Key = tuple[str, str, bytes]  # endpoint, variant, configuration


class CapturePlan:
    """What to capture of an endpoint: the DataCaptureConfig in its entry of the route snapshot."""

    __slots__ = ("config", "input", "key", "output", "share")

    def __init__(self, config: Mapping[str, Any]) -> None:
        modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
        self.config = dict(config)
        self.key = orjson.dumps(self.config, option=orjson.OPT_SORT_KEYS)
        self.input = not modes.isdisjoint(("Input", "InputAndOutput"))
        self.output = not modes.isdisjoint(("Output", "InputAndOutput"))
        self.share = config["InitialSamplingPercentage"] / 100.0


class Capture:
    """``take`` on the path of a request; ``start`` and ``close`` once each. ``told`` is called when a file is complete."""

    def __init__(
        self,
        spool: Path,
        told: Callable[[], Awaitable[None]],
        *,
        period: float = PERIOD,
        file_seconds: float = FILE_SECONDS,
        memory: int = MEMORY_LIMIT,
        disk: int = SPOOL_LIMIT,
    ) -> None:
        self._spool = spool
        self._told = told
        self._period = period
        self._file_seconds = file_seconds
        self._memory = memory
        self._disk = disk
        self._held = 0
        self._writing = 0
        self._gathered = 0
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._waiting: dict[_Key, _Waiting] = {}
        self._files: dict[_Key, _SpoolFile] = {}
        self.dropped: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Exchanges that were not kept, by endpoint and variant, since a file last told of them."""

    def take(
        self, endpoint: str, variant: str, plan: CapturePlan, headers: Mapping[str, str], body: bytes, answer: Answer
    ) -> None:
        """Keeps one exchange of ``endpoint`` (``<account>/<region>/<name>``), as often as the plan samples; never raises, never waits."""
        if random.random() < plan.share:
            self.keep(endpoint, variant, plan, headers, body, answer)

    def gather(self, endpoint: str, variant: str, plan: CapturePlan) -> Gathered | None:
        """For an answer that comes in parts; None when the plan does not sample this one."""
        return Gathered(self, endpoint, variant, plan) if random.random() < plan.share else None

    def hold(self, size: int) -> bool:
        """Takes so many bytes of what may wait in memory, or gives them back; False when there is no room for them."""
        if size > 0 and self._held + self._writing + self._gathered + size > self._memory:
            return False
        self._gathered += size
        return True

    def drop(self, endpoint: str, variant: str) -> None:
        """Counts an exchange that is not kept."""
        self.dropped[endpoint, variant] += 1

    def keep(
        self, endpoint: str, variant: str, plan: CapturePlan, headers: Mapping[str, str], body: bytes, answer: Answer
    ) -> None:
        """The same for one that is sampled already."""
        size = len(body) * plan.input + len(answer.body) * plan.output
        if self._held + self._writing + self._gathered + size > self._memory:
            self.drop(endpoint, variant)
            return
        key = endpoint, variant, plan.key
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting(plan.config)
        self._held += size + _OVERHEAD
        waiting.parts += packed(
            Exchange(
                time.time(),
                headers.get("content_type", ""),
                answer.headers.get("content-type", "application/octet-stream"),
                headers.get("inference_id"),
                headers.get("custom_attributes"),
                body if plan.input else None,
                answer.body if plan.output else None,
            )
        )

    def start(self) -> None:
        """Begins to write away what is kept."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Writes away what is left, and completes every file."""
        self._ended.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        ended = False
        while not ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), self._period)
            ended = self._ended.is_set()
            await self._write(everything=ended)

    async def _write(self, *, everything: bool) -> None:
        waiting, self._waiting = self._waiting, {}
        self._writing, self._held = self._held, 0
        if waiting or self._files:
            try:
                completed = await asyncio.to_thread(self._append, waiting, everything)
            except OSError as problem:
                log.warning("captured exchanges cannot be written: %s", problem)
                self._count(waiting)
            else:
                if completed:
                    with suppress(ConnectionError):
                        await self._told()
        self._writing = 0

    def _append(self, waiting: Mapping[_Key, _Waiting], everything: bool) -> bool:
        """On a thread: to the files, and closes those that are complete; whether there were any."""
        if waiting and not self._has_room():
            self._count(waiting)
            waiting = {}
        completed = False
        for key, entry in waiting.items():
            for start in range(0, len(entry.parts), _VECTORS):
                file = self._files.get(key)
                if file is None:
                    file = self._files[key] = _SpoolFile(self._spool, self._source(key, entry))
                file.append(entry.parts[start : start + _VECTORS])
                completed |= file.size >= FILE_BYTES and self._complete(key)
        old = time.monotonic() - self._file_seconds
        for key in [key for key, file in self._files.items() if everything or file.opened <= old]:
            completed |= self._complete(key)
        return completed

    def _complete(self, key: _Key) -> bool:
        self._files.pop(key).close()
        return True

    def _source(self, key: _Key, entry: _Waiting) -> Source:
        endpoint, variant, _ = key
        return Source(endpoint, variant, entry.config, self.dropped.pop((endpoint, variant), 0))

    def _has_room(self) -> bool:
        """Whether the spool may grow: neither it nor the disk is full."""
        if not self._spool.is_dir():
            return True
        spooled = sum(entry.stat().st_size for entry in os.scandir(self._spool) if entry.is_file())
        usage = shutil.disk_usage(self._spool)
        return spooled < self._disk and usage.used < FULLEST * usage.total

    def _count(self, lost: Mapping[_Key, _Waiting]) -> None:
        for (endpoint, variant, _), entry in lost.items():
            self.dropped[endpoint, variant] += len(entry.parts) // 3


class Gathered:
    """A streamed answer on its way, part by part; ``end`` once, whatever becomes of it."""

    def __init__(self, capture: Capture, endpoint: str, variant: str, plan: CapturePlan) -> None:
        self._capture = capture
        self._place = endpoint, variant
        self._plan = plan
        self._parts: list[bytes] = []
        self._size = 0
        self._lost = False

    def add(self, part: bytes) -> None:
        """The next part; when there is no room for it the exchange is dropped."""
        if self._lost or not self._plan.output:
            return
        if self._capture.hold(len(part)):
            self._parts.append(part)
            self._size += len(part)
        else:
            self._lost = True
            self._give_back()

    def end(self, headers: Mapping[str, str], body: bytes, answered: Mapping[str, str], *, whole: bool) -> None:
        """One exchange with all of the answer, if it came to its end (``whole``)."""
        answer = Answer(200, dict(answered), b"".join(self._parts))
        self._give_back()
        if whole and self._lost:
            self._capture.drop(*self._place)
        elif whole:
            self._capture.keep(*self._place, self._plan, headers, body, answer)

    def _give_back(self) -> None:
        self._capture.hold(-self._size)
        self._size = 0
        self._parts.clear()


_OVERHEAD = 512
"""Bytes of memory that an exchange takes beside its bodies."""


class _Waiting:
    """Exchanges of one variant under one configuration, as parts of a file."""

    __slots__ = ("config", "parts")

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.parts: list[Body] = []


class _SpoolFile:
    """A file that is being written; locked until it is closed."""

    def __init__(self, spool: Path, source: Source) -> None:
        spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.opened = time.monotonic()
        self._path = spool / f"{uuid.uuid4()}{OPEN}"
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self.size = 0
        self.append([source.line()])

    def append(self, parts: list[Body]) -> None:
        """Writes the parts one behind the other."""
        views = [memoryview(part) for part in parts if len(part)]
        while views:
            written = os.writev(self._descriptor, views)
            self.size += written
            while views and written >= len(views[0]):
                written -= len(views.pop(0))
            if views:
                views[0] = views[0][written:]

    def close(self) -> None:
        """Completes the file."""
        self._path.rename(self._path.with_suffix(CLOSED))
        os.close(self._descriptor)
