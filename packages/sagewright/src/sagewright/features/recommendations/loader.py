"""A load test, seen from control: sample payloads out of S3, and a process of its own that calls (load_program.py)."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Protocol

from sagewright.base.archive import unpack
from sagewright.compute.way_back import WayBack
from sagewright.features.recommendations.statistics import Conditions
from sagewright.features.recommendations.traffic import Phase
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.s3 import Location, Objects
from sagewright.store.rows import Document

MODULE = "sagewright.features.recommendations.load_program"
LARGEST = 25 * 1024**2
"""Bytes of a payload that an endpoint takes."""
MOST_BYTES = 1024**3
"""Of all payloads together, unpacked."""
SPARE_SECONDS = 180.0
"""For the first calls and the last, which may take an endpoint's 60 s."""
KEYS_SECONDS = 12 * 3600.0
ABSENT = "ClientError: The sample payload {uri} is not there or cannot be read with the job's role."
UNREADABLE = "ClientError: The sample payload {uri} is no tar.gz archive of files: {problem}"


@dataclass(frozen=True, slots=True)
class LoadTest:
    """What is called with what, by how many, until when."""

    account: str
    region: str
    role: str
    endpoint: str
    payload: str
    content_type: str
    phases: Sequence[Phase]
    conditions: Conditions

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return sum(phase.seconds for phase in self.phases)


class Loader(Protocol):
    """Runs a load test."""

    async def open(self) -> None:
        """Before the first test: takes away what a control that was killed has left."""

    async def run(self, test: LoadTest) -> Document:
        """MaxInvocations (a minute), ModelLatency (milliseconds), Began and Ended (epoch seconds). Raises ErrandFailed."""


@dataclass(frozen=True, slots=True)
class LoadProcess:
    """See Loader. ``folder`` holds the payloads of the tests under way, and nothing else."""

    objects: Objects
    way_back: WayBack
    folder: Path

    async def open(self) -> None:
        """A load process reads its payloads at its start, so one that is about to end does not need them."""
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def run(self, test: LoadTest) -> Document:
        """As the role of the job, as which AWS calls, too."""
        await asyncio.to_thread(self.folder.mkdir, mode=0o700, exist_ok=True)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self.folder))
        try:
            payloads = await self._payloads(test.payload, folder)
            answer = await _answer(self._task(test, payloads), test.seconds + SPARE_SECONDS)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        if "problem" in answer:
            raise ErrandFailed(str(answer["problem"]))
        return answer

    def _task(self, test: LoadTest, payloads: Sequence[Path]) -> Document:
        keys = self.way_back.keys(test.account, test.role, KEYS_SECONDS)
        return {
            "url": self.way_back.url,
            "region": test.region,
            "access_key": keys.access_key,
            "secret": keys.secret,
            "token": keys.token,
            "endpoint": test.endpoint,
            "content_type": test.content_type,
            "payloads": [str(path) for path in payloads],
            "phases": [astuple(phase) for phase in test.phases],
            "conditions": astuple(test.conditions),
        }

    async def _payloads(self, uri: str, folder: Path) -> list[Path]:
        """The files of the archive, in the order of their names."""
        archive, files = folder / "payload.tar.gz", folder / "files"
        try:
            await self.objects.download(Location.parse(uri), archive)
            await asyncio.to_thread(unpack, archive, files, MOST_BYTES)
        except (FileNotFoundError, PermissionError) as problem:
            raise ErrandFailed(ABSENT.format(uri=uri)) from problem
        except ValueError as problem:
            raise ErrandFailed(UNREADABLE.format(uri=uri, problem=problem)) from problem
        found = await asyncio.to_thread(_files, files)
        if not found:
            raise ErrandFailed(UNREADABLE.format(uri=uri, problem=f"it holds no file of 1 to {LARGEST} bytes"))
        return found


async def _answer(task: Document, seconds: float) -> Document:
    """The process ends with whoever waits for it."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", MODULE, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(task).encode() + b"\n")
        async with asyncio.timeout(seconds):
            await process.stdin.drain()
            line = await process.stdout.readline()
    except TimeoutError as error:
        raise ConnectionError("the load test does not end") from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.stdin.close()
        await process.wait()
    if not line:
        raise ConnectionError("the process of the load test has ended")
    found: Document = json.loads(line)
    return found


def _files(folder: Path) -> list[Path]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return [path for path in paths if 0 < path.stat().st_size <= LARGEST and not path.name.startswith(".")]
