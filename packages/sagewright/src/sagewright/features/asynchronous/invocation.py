"""One request from its input to its answer: input to a file, file to the container, answer to a file, file to S3, outcome to the store.

Files, because a payload has up to 1 GB: nothing of that size is ever in memory, and a container that is too slow, or an S3 that is
away, costs a file and no connection. The answer is in S3 before the outcome is written, and both have one name: a control that dies
between the two writes the same object again, or finds it and asks nobody.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter

from sagewright.compute.payload import FilePayload, PayloadTooLarge
from sagewright.compute.replica import Broken, Unsent
from sagewright.features.asynchronous import measures
from sagewright.features.asynchronous.capacity import Instance
from sagewright.features.asynchronous.dispatcher import Again
from sagewright.features.asynchronous.notification import LARGEST_RESPONSE, Outcome, document, topic
from sagewright.features.asynchronous.request import REQUEST, Ticket, location
from sagewright.objects.s3 import Location, Objects
from sagewright.signals import topics
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Resource

LARGEST_INPUT = 1024**3
"""Bytes of a payload (developer guide, async-inference)."""
EXPIRED = "ClientError: The request expired: it waited in the queue for longer than RequestTTLSeconds."
DELETED = "ClientError: The endpoint was deleted before the request was processed."
TIMED_OUT = "ClientError: The model container did not answer within InvocationTimeoutSeconds ({} seconds)."
ANSWERED = (
    "ClientError: Received {} error ({}) from model. See the SageMaker Endpoint logs in your account for more information."
)
NOT_READ = (
    "ClientError: Failed to download the request payload from {}. Please ensure that the object exists and that it can be read."
)
TOO_LARGE = "ClientError: The request payload has {} bytes; {} are allowed."
NOT_WRITTEN = (
    "ClientError: Failed to upload the response to {}. Please ensure that the bucket exists and that it can be written."
)


class _Ended(Exception):
    """The request has an outcome that is not the model's answer."""

    def __init__(self, reason: str, metric: str) -> None:
        super().__init__(reason)
        self.metric = metric


@dataclass(slots=True)
class _Work:
    """What is known of one attempt. ``answer`` holds the container's answer; ``status`` is 0 until it has answered."""

    row: Resource
    folder: Path
    variant: str
    status: int = 0
    content_type: str = ""
    values: dict[str, float] = field(default_factory=dict)

    @property
    def input(self) -> Path:
        return self.folder / f"{self.row.key.rpartition('/')[2]}.in"

    @property
    def answer(self) -> Path:
        return self.folder / f"{self.row.key.rpartition('/')[2]}.out"


class Invocations:
    """``folder`` holds what is on its way; nothing there is needed after a restart."""

    def __init__(self, store: Store, objects: Objects, folder: Path) -> None:
        self._store = store
        self._objects = objects
        self._folder = folder

    async def answer(self, ticket: Ticket, instance: Instance) -> None:
        """Has the container answer. Raises Again."""
        row = await self._row(ticket)
        if row is None:
            return
        began = self._store.clock.now()
        if ticket.recovered and await self._answered(row):
            await self._finish(row, Outcome("Completed", "application/octet-stream"), instance.variant, {})
            return
        work = _Work(row, self._folder, instance.variant, values={"TimeInBacklog": 1000 * max(0.0, began - row.created)})
        try:
            outcome = await self._outcome(work, instance)
            work.values["TotalProcessingTime"] = 1000 * (self._store.clock.now() - began)
            await self._finish(row, outcome, instance.variant, work.values)
        finally:
            work.input.unlink(missing_ok=True)
            work.answer.unlink(missing_ok=True)

    async def drop(self, ticket: Ticket, why: str) -> None:
        """Ends a request that no container will see."""
        row = await self._row(ticket)
        if row is None:
            return
        reason = EXPIRED if why == "Expired" else DELETED
        await self._tell_failure(row, reason.encode())
        await self._finish(row, Outcome("Expired", reason=reason), "", {"ExpiredRequests": 1.0})

    async def _row(self, ticket: Ticket) -> Resource | None:
        return await self._store.read(lambda transaction: transaction.resources.get(ticket.world, REQUEST, ticket.key))

    async def _answered(self, row: Resource) -> bool:
        """Whether an earlier control has written the answer and died before it could say so. A name that the caller chose may hold
        an older request's answer, so only one that is newer than the request counts."""
        try:
            found = await self._objects.head(location(row.spec["Output"]))
        except (FileNotFoundError, PermissionError, ValueError):
            return False
        except ConnectionError as away:
            raise Again(str(away)) from away
        return not row.spec["Named"] or found.modified >= math.floor(row.created)

    async def _outcome(self, work: _Work, instance: Instance) -> Outcome:
        try:
            await self._download(work)
            await self._ask(work, instance)
            return await self._upload(work)
        except _Ended as ended:
            await self._tell_failure(work.row, str(ended).encode())
            work.values |= {"InvocationFailures": 1.0, ended.metric: 1.0}
            return Outcome("Failed", reason=str(ended))

    async def _download(self, work: _Work) -> None:
        spec = work.row.spec
        if "Body" in spec:
            await asyncio.to_thread(work.input.write_bytes, base64.b64decode(spec["Body"]))
            return
        place = location(spec["InputLocation"])
        began = perf_counter()
        try:
            found = await self._objects.head(place)
            if found.size > LARGEST_INPUT:
                raise _Ended(TOO_LARGE.format(found.size, LARGEST_INPUT), "RequestDownloadFailures")
            work.content_type = found.content_type
            await self._objects.download(place, work.input)
        except (FileNotFoundError, PermissionError) as problem:
            raise _Ended(NOT_READ.format(spec["InputLocation"]), "RequestDownloadFailures") from problem
        except ConnectionError as away:
            raise Again(str(away)) from away
        work.values["RequestDownloadLatency"] = 1e6 * (perf_counter() - began)

    async def _ask(self, work: _Work, instance: Instance) -> None:
        timeout = float(work.row.spec["Timeout"])
        payload = FilePayload.of(work.input)
        began = perf_counter()
        try:
            async with asyncio.timeout(timeout):
                await self._exchange(work, instance, payload, timeout)
        except TimeoutError as late:
            raise _Ended(TIMED_OUT.format(work.row.spec["Timeout"]), "InvocationModelErrors") from late
        except PayloadTooLarge as problem:
            raise _Ended(TOO_LARGE.format(payload.size, problem.most), "InvocationModelErrors") from problem
        except Unsent as problem:
            raise Again(str(problem)) from problem
        except Broken as problem:
            if instance.gone:
                raise Again("its container was taken away by an update") from problem
            raise _Ended(ANSWERED.format("server", 0), "InvocationModelErrors") from problem
        work.values["ModelLatency"] = 1e6 * (perf_counter() - began)

    async def _exchange(self, work: _Work, instance: Instance, payload: FilePayload, timeout: float) -> None:
        work.status, headers, chunks = await instance.replica.stream(_headers(work), payload, timeout)
        work.content_type = headers.get("content-type", "application/octet-stream")
        try:
            with work.answer.open("wb") as sink:
                async for part in chunks:
                    await asyncio.to_thread(sink.write, part)
        finally:
            chunks.close()

    async def _upload(self, work: _Work) -> Outcome:
        good = 200 <= work.status < 300
        response = await asyncio.to_thread(_small, work.answer)
        if not good:
            side = "client" if 400 <= work.status < 500 else "server"
            work.values |= {"InvocationFailures": 1.0, "InvocationModelErrors": 1.0}
            if work.row.spec["Failure"]:
                await self._put(work, location(work.row.spec["Failure"]))
            return Outcome("Failed", reason=ANSWERED.format(side, work.status), response=response)
        began = perf_counter()
        await self._put(work, location(work.row.spec["Output"]))
        work.values |= {"ResponseUploadLatency": 1e6 * (perf_counter() - began), "InvocationsProcessed": 1.0}
        return Outcome("Completed", work.content_type, response=response)

    async def _put(self, work: _Work, place: Location) -> None:
        try:
            await self._objects.upload(work.answer, place, work.content_type)
        except (FileNotFoundError, PermissionError) as problem:
            raise _Ended(NOT_WRITTEN.format(place), "ResponseUploadFailures") from problem
        except ConnectionError as away:
            if not await self._exists(place.bucket):
                raise _Ended(NOT_WRITTEN.format(place), "ResponseUploadFailures") from away
            raise Again(str(away)) from away

    async def _exists(self, bucket: str) -> bool:
        """A transfer cannot say that its bucket is missing; the list of buckets can. While S3 is away nothing is missing."""
        try:
            return bucket in await self._objects.buckets()
        except (ConnectionError, PermissionError):
            return True

    async def _tell_failure(self, row: Resource, text: bytes) -> None:
        """Writes what went wrong to the failure path, where clients that poll look for it."""
        if row.spec["Failure"]:
            try:
                await self._objects.write(location(row.spec["Failure"]), text)
            except (FileNotFoundError, PermissionError):
                return
            except ConnectionError as away:
                raise Again(str(away)) from away

    async def _finish(self, row: Resource, outcome: Outcome, variant: str, values: Mapping[str, float]) -> None:
        """The request is gone and everybody is told, in one transaction."""
        await self._store.write(partial(_finished, row, outcome, variant, values, self._store.clock.now()))


def _finished(
    row: Resource, outcome: Outcome, variant: str, values: Mapping[str, float], now: float, transaction: Transaction
) -> None:
    present = transaction.resources.get(*row.identity)
    if present is None:
        return
    transaction.resources.delete(present)
    told, counted = topic(row.spec["Notify"], outcome), dict(values)
    if told:
        try:
            topics.publish(transaction, told, json.dumps(document(row, outcome, now)), now)
        except topics.NoTopicError:
            counted["NotificationFailures"] = 1.0
    measures.put_request(transaction, row.world, row.parent, variant, now, counted)


def _headers(work: _Work) -> dict[str, str]:
    """What the container sees. Without a ContentType in the request that of the object counts, as the SDK's AsyncPredictor expects."""
    given = work.row.spec["Headers"]
    found = {
        "content_type": given.get("ContentType") or work.content_type,
        "accept": given.get("Accept"),
        "custom_attributes": given.get("CustomAttributes"),
        "inference_id": work.row.spec["InferenceId"],
    }
    return {name: value for name, value in found.items() if value}


def _small(file: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        return file.read_bytes() if file.stat().st_size <= LARGEST_RESPONSE else None
    return None
