"""Sends the objects of a transform job through its containers: each object becomes one output object, or none when a record is bad.

Repeatable: what is done is marked on disk, so a new control, or new containers, go on where the last ones were. Memory holds the
payloads under way and nothing else; inputs and outputs lie in files.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from sagewright.base import files
from sagewright.compute.replica import Answer, HttpReplica, Replica
from sagewright.features.transform.capture import Identification, manifests
from sagewright.features.transform.processing import Processing
from sagewright.features.transform.records import BadInput, join, line_payloads, payloads
from sagewright.features.transform.reporting import Progress
from sagewright.features.transform.settings import Sending, parameters
from sagewright.features.transform.source import ObjectFile
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.patience import patiently
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.transfer import Access, Item, TransferError, object_below, select

FIRST_RETRY_SECONDS = 0.5
FRAMES_CONCURRENCY = 3
"""A built-in algorithm's server predicts on two threads while the next payload is on its way."""
FRAMES_PIECE = 1024 * 1024
LARGE = 64 * 1024 * 1024
"""Bytes of lines in a payload for one, of objects that are not large: nothing that a caller sees depends on it, and reading, predicting
and storing overlap sooner. A large object has payloads enough, and fewer cost less."""
_BUFFER = 1024 * 1024


class Failed(Exception):
    """One object could not be transformed; the text is for the data log."""


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
                await self._object(item, _Sender(replica, room, sending, self._headers()))

        for _ in range(min(sending.concurrency, len(items))):
            group.create_task(take())

    def _headers(self) -> dict[str, str]:
        given = {
            "content_type": self._job.request["TransformInput"].get("ContentType"),
            "accept": self._job.request["TransformOutput"].get("Accept"),
        }
        return {name: value for name, value in given.items() if value}

    async def _object(self, item: Item, sender: _Sender) -> None:
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

    async def _transform(self, item: Item, staged: Path, sender: _Sender) -> None:
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

    async def _send_whole(self, source: ObjectFile, output: IO[bytes], sender: _Sender) -> None:
        """MaxPayloadInMB 0: the object goes as one request in chunks, however large it is, and the answer is stored as it comes."""
        compression = self._job.request["TransformInput"].get("CompressionType", "None")
        await sender.send_chunked(_opened(source, compression), output)

    async def _send_all(self, item: Item, source: ObjectFile, output: IO[bytes], sender: _Sender) -> None:
        """A window of payloads under way; their answers are stored in the order of the input."""
        sending = sender.sending
        file = _opened(source, self._job.request["TransformInput"].get("CompressionType", "None"))
        batches = self._payloads(file, sending if item.stored.size < LARGE else replace(sending, piece=0))
        window: deque[_Sent] = deque()
        number = 0
        try:
            while (batch := await asyncio.to_thread(_next, batches)) is not None:
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


@dataclass(frozen=True, slots=True)
class _Sender:
    """Sends payloads to one container, as many at once as there is ``room``."""

    replica: Replica
    room: asyncio.Semaphore
    sending: Sending
    headers: Mapping[str, str]

    @property
    def chunked(self) -> bool:
        """API CreateTransformJob, MaxPayloadInMB 0; the built-in algorithms do not know it, on AWS neither."""
        return self.sending.chunked and isinstance(self.replica, HttpReplica)

    async def send_chunked(self, file: IO[bytes], output: IO[bytes]) -> None:
        """One try: what was sent cannot be sent again without reading the object again. Raises Failed, BadInput."""
        assert isinstance(self.replica, HttpReplica)

        async def read() -> bytes:
            return await asyncio.to_thread(_read_piece, file)

        async with self.room:
            try:
                status, headers, chunks = await self.replica.send(self.headers, read, self.sending.timeout)
                answer = [part async for part in chunks] if status >= 300 else []
                if not answer:
                    async for part in chunks:
                        await asyncio.to_thread(output.write, part)
            except TimeoutError as late:
                raise Failed(f"ClientError: no answer within {self.sending.timeout:.0f} seconds") from late
            except ConnectionError as lost:
                raise Failed(f"AlgorithmError: {lost}") from lost
        if not 200 <= status < 300:
            raise Failed(_refusal(Answer(status, headers, b"".join(answer))))

    async def send(self, body: bytes) -> Answer:
        """The answer, after as many tries as allowed. Raises Failed."""
        async with self.room:
            problem = ""
            for attempt in range(self.sending.retries + 1):
                if attempt:
                    await asyncio.sleep(FIRST_RETRY_SECONDS * 2 ** (attempt - 1))
                try:
                    answer = await self.replica.invoke(self.headers, body, self.sending.timeout)
                except TimeoutError:
                    problem = f"ClientError: no answer within {self.sending.timeout:.0f} seconds"
                    continue
                except ConnectionError as lost:
                    problem = f"AlgorithmError: {lost}"
                    continue
                if 200 <= answer.status < 300:
                    return answer
                problem = _refusal(answer)
                if answer.status < 500:
                    break  # the record is bad, and stays so
            raise Failed(problem)


def _refusal(answer: Answer) -> str:
    side = "ClientError" if answer.status < 500 else "AlgorithmError"
    return f"{side}: {answer.status}\n\nMessage:\n{answer.body[:1024].decode('utf-8', 'replace')}"


def _prefix(request: Mapping[str, Any]) -> Location:
    return Location.parse(request["TransformOutput"]["S3OutputPath"])


def _opened(source: ObjectFile, compression: str) -> IO[bytes]:
    """Nobody closes it, there is nothing to give back: closing waits for a thread that reads, and that waits for the event loop."""
    file = io.BufferedReader(source, _BUFFER)
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb") if compression == "Gzip" else file)


def _next(batches: Iterator[list[bytes]]) -> list[bytes] | None:
    with _input_problems():
        return next(batches, None)


def _read_piece(file: IO[bytes]) -> bytes:
    with _input_problems():
        return file.read(_BUFFER)


@contextmanager
def _input_problems() -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise BadInput(f"ClientError: the input cannot be decompressed: {problem}") from problem
    except OSError as problem:  # it is not there any more, or another one
        raise BadInput(f"ClientError: {problem}") from problem
