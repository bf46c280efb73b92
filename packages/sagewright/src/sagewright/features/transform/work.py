"""Sends the objects of a transform job through its containers: each object becomes one output object, or none when a record is bad.

Repeatable: what is done is marked on disk, so a new control, or new containers, go on where the last ones were. Memory holds the
payloads under way and nothing else; inputs and outputs lie in files.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple

from sagewright.base import files
from sagewright.compute.replica import Answer, Replica
from sagewright.features.transform.capture import Identification, manifests
from sagewright.features.transform.processing import Processing
from sagewright.features.transform.reading import next_batch, opened
from sagewright.features.transform.records import BadInput, join, line_payloads, payloads
from sagewright.features.transform.reporting import Progress
from sagewright.features.transform.sender import Failed, Sender
from sagewright.features.transform.settings import Sending, parameters
from sagewright.features.transform.source import ObjectFile
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.patience import patiently
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.transfer import Access, Item, TransferError, object_below, select

FRAMES_CONCURRENCY = 3
"""A built-in algorithm's server predicts on two threads while the next payload is on its way."""
FRAMES_PIECE = 1024 * 1024
LARGE = 64 * 1024 * 1024
"""Bytes of lines in a payload for one, of objects that are not large: nothing that a caller sees depends on it, and reading, predicting
and storing overlap sooner. A large object has payloads enough, and fewer cost less."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the work needs of a job: its request, a folder of its own on disk, and where to say what went wrong.

    ``begun`` in epoch seconds.
    """

    request: Mapping[str, Any]
    name: str
    begun: int
    folder: Path
    access: Access
    log: Callable[[Sequence[str]], Awaitable[None]]

    @property
    def outcome(self) -> Path:
        """Written when all is done: {"objects": number, "failures": [text, …]}."""
        return self.folder / "outcome.json"


class Work:
    """One run over all objects of a job."""

    def __init__(self, objects: Objects, job: Job, replicas: Sequence[Replica]) -> None:
        self._objects = objects
        self._job = job
        self._replicas = replicas
        self._split = job.request["TransformInput"].get("SplitType", "None")
        self._processing = Processing.of(job.request, Identification.of(job.request, job.name, job.begun))
        self._failures: dict[str, str] = {}
        self._progress = Progress(job.log)

    async def run(self) -> None:
        """Writes the outcome. Raises ErrandFailed when there is nothing to transform."""
        items = await self._items()
        sending = await self._sending()
        await self._job.log(
            [
                f"MaxConcurrentTransforms={sending.concurrency}, MaxPayloadInMB={sending.limit // (1024 * 1024)}, "
                f"BatchStrategy={'MULTI_RECORD' if sending.many else 'SINGLE_RECORD'}"
            ]
        )
        self._progress.begin(items)
        shares = [items[index :: len(self._replicas)] for index in range(len(self._replicas))]
        async with asyncio.TaskGroup() as group:
            for replica, share in zip(self._replicas, shares, strict=True):
                self._share(group, replica, share, sending)
        await self._capture([item for item in items if item.path not in self._failures])
        outcome = {"objects": len(items), "failures": list(self._failures.values())}
        files.write(self._job.outcome, json.dumps(outcome).encode())

    async def _capture(self, done: list[Item]) -> None:
        for location, manifest in manifests(self._job.request, self._job.name, self._job.begun, done):
            try:
                await self._transfer(lambda location=location, manifest=manifest: self._objects.write(location, manifest))  # type: ignore[misc]
            except Failed as problem:
                raise ErrandFailed(str(problem)) from problem

    async def _items(self) -> list[Item]:
        source = self._job.request["TransformInput"]["DataSource"]["S3DataSource"]
        try:
            return await patiently(lambda: select(self._objects, source, self._job.access))
        except TransferError as problem:
            raise ErrandFailed(str(problem)) from problem

    async def _sending(self) -> Sending:
        replica = self._replicas[0]
        said: Mapping[str, Any] = {}
        with suppress(ConnectionError, TimeoutError):
            answer = await replica.get("/execution-parameters", 10.0)
            said = parameters(answer.status, answer.body)
        if replica.address.protocol == "frames":
            return replace(Sending.of(self._job.request, said, FRAMES_CONCURRENCY), piece=FRAMES_PIECE)
        return Sending.of(self._job.request, said, 1)

    def _share(self, group: asyncio.TaskGroup, replica: Replica, items: list[Item], sending: Sending) -> None:
        """Several files at once, but never more payloads than the container takes."""
        left, room = iter(items), asyncio.Semaphore(sending.concurrency)

        async def take() -> None:
            for item in left:
                await self._object(item, Sender(replica, room, sending, self._headers()))

        for _ in range(min(sending.concurrency, len(items))):
            group.create_task(take())

    def _headers(self) -> dict[str, str]:
        given = {
            "content_type": self._job.request["TransformInput"].get("ContentType"),
            "accept": self._job.request["TransformOutput"].get("Accept"),
        }
        return {name: value for name, value in given.items() if value}

    async def _object(self, item: Item, sender: Sender) -> None:
        name = hashlib.sha256(item.path.encode()).hexdigest()
        done = self._job.folder / "done" / name
        if done.exists():
            await self._progress.finished(item)
            return
        staged = self._job.folder / "staging" / name
        staged.parent.mkdir(parents=True, exist_ok=True)
        try:
            await self._transform(item, staged, sender)
        except (Failed, BadInput, TransferError) as problem:
            await self._failed(item, str(problem))
            return
        finally:
            staged.unlink(missing_ok=True)
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
        await self._progress.finished(item)

    async def _failed(self, item: Item, problem: str) -> None:
        place = f"{item.stored.location.bucket}/{item.stored.location.key}"
        self._failures[item.path] = f"{place}: {problem}"
        await self._job.log([f"{place}: {line}" for line in problem.splitlines() or [""]])

    async def _transform(self, item: Item, staged: Path, sender: Sender) -> None:
        target = object_below(_prefix(self._job.request), f"{item.path}.out")
        source = ObjectFile(self._objects, item.stored)
        try:
            with staged.open("wb") as file:
                if sender.chunked:
                    await self._send_whole(source, file, sender)
                else:
                    await self._send_all(item, source, file, sender)
        finally:
            await source.abandon()
        await self._transfer(lambda: self._objects.upload(staged, target))

    async def _transfer(self, move: Callable[[], Awaitable[None]]) -> None:
        try:
            await patiently(move)
        except (FileNotFoundError, PermissionError) as problem:
            raise Failed(f"ClientError: {problem}") from problem

    async def _send_whole(self, source: ObjectFile, output: IO[bytes], sender: Sender) -> None:
        """MaxPayloadInMB 0: the object goes as one request in chunks, however large it is, and the answer is stored as it comes."""
        compression = self._job.request["TransformInput"].get("CompressionType", "None")
        await sender.send_chunked(opened(source, compression), output)

    async def _send_all(self, item: Item, source: ObjectFile, output: IO[bytes], sender: Sender) -> None:
        """A window of payloads under way; their answers are stored in the order of the input."""
        sending = sender.sending
        file = opened(source, self._job.request["TransformInput"].get("CompressionType", "None"))
        batches = self._payloads(file, sending if item.stored.size < LARGE else replace(sending, piece=0))
        window: deque[_Sent] = deque()
        number = 0
        try:
            while (batch := await asyncio.to_thread(next_batch, batches)) is not None:
                body = await asyncio.to_thread(self._body, batch)
                window.append(_Sent(batch, f"{item.path}/{number}", asyncio.create_task(sender.send(body))))
                number += 1
                await self._progress.sent(len(body))
                if len(window) >= sending.concurrency:
                    await self._store(window.popleft(), output)
            while window:
                await self._store(window.popleft(), output)
        finally:
            for sent in window:
                sent.task.cancel()
            await asyncio.gather(*(sent.task for sent in window), return_exceptions=True)

    def _payloads(self, file: IO[bytes], sending: Sending) -> Iterator[list[bytes]]:
        if self._split == "Line" and sending.many and sending.limit and self._processing.idle:
            return line_payloads(file, sending.limit, sending.piece)
        return payloads(file, self._split, many=sending.many, limit=sending.limit)

    def _body(self, batch: list[bytes]) -> bytes:
        return join(self._processing.before(batch), self._split)

    async def _store(self, sent: _Sent, output: IO[bytes]) -> None:
        answer = await sent.task
        await asyncio.to_thread(self._write, sent, answer.body, output)

    def _write(self, sent: _Sent, answer: bytes, output: IO[bytes]) -> None:
        body = self._processing.after(sent.batch, answer, sent.place)
        output.write(body)
        assembles = self._job.request["TransformOutput"].get("AssembleWith", "None") == "Line"
        rewritten = not self._processing.idle and self._split != "None"
        if (assembles or rewritten) and not body.endswith(b"\n"):
            output.write(b"\n")


class _Sent(NamedTuple):
    """A payload under way: its records, which of the job's payloads it is, and the answer to come."""

    batch: list[bytes]
    place: str
    task: asyncio.Task[Answer]


def _prefix(request: Mapping[str, Any]) -> Location:
    return Location.parse(request["TransformOutput"]["S3OutputPath"])
