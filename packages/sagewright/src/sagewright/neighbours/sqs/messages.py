"""Messages: send, receive with long polling, delete, change visibility; each also in batches of ten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import Handlers
from sagewright.neighbours.sqs import attributes, rows
from sagewright.neighbours.sqs.arrivals import Arrivals
from sagewright.signals import queues
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

MOST = 10
"""Messages in a batch or an answer."""
LONGEST_WAIT = 20
LONGEST_HIDDEN = 43_200


class Messages:
    """What is done with messages; ``arrivals`` tells those who wait for one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._arrivals = Arrivals(store)

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "SendMessage": self.send,
            "SendMessageBatch": self.send_batch,
            "ReceiveMessage": self.receive,
            "DeleteMessage": self.delete,
            "DeleteMessageBatch": self.delete_batch,
            "ChangeMessageVisibility": self.hide,
            "ChangeMessageVisibilityBatch": self.hide_batch,
        }

    async def send(self, context: Context, request: Document) -> Document:
        """SendMessage: in the store when it is answered."""
        return await self._store.write(lambda transaction: _send(transaction, context, request["QueueUrl"], request))

    async def send_batch(self, context: Context, request: Document) -> Document:
        """SendMessageBatch: each entry by itself."""
        return await self._batch(context, request, _send)

    async def receive(self, context: Context, request: Document) -> Document:
        """ReceiveMessage: waits up to WaitTimeSeconds for the first message."""
        most, hidden = request.get("MaxNumberOfMessages", 1), request.get("VisibilityTimeout")
        _check("MaxNumberOfMessages", most, 1, MOST)
        _check("VisibilityTimeout", hidden or 0, 0, LONGEST_HIDDEN)
        queue = await self._store.read(lambda transaction: rows.of_url(transaction, context, request["QueueUrl"]))
        wait = request.get("WaitTimeSeconds", queues.setting(queue, "ReceiveMessageWaitTimeSeconds"))
        _check("WaitTimeSeconds", wait, 0, LONGEST_WAIT)
        found = await self._wait(context, request, most, hidden, wait)
        return {"Messages": [_shown(message, request) for message in found]} if found else {}

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteMessage: a receipt that is not the last one deletes nothing, as on AWS."""
        return await self._store.write(lambda transaction: _delete(transaction, context, request["QueueUrl"], request))

    async def delete_batch(self, context: Context, request: Document) -> Document:
        """DeleteMessageBatch."""
        return await self._batch(context, request, _delete)

    async def hide(self, context: Context, request: Document) -> Document:
        """ChangeMessageVisibility, from now on."""
        return await self._store.write(lambda transaction: _hide(transaction, context, request["QueueUrl"], request))

    async def hide_batch(self, context: Context, request: Document) -> Document:
        """ChangeMessageVisibilityBatch."""
        return await self._batch(context, request, _hide)

    async def _wait(
        self, context: Context, request: Document, most: int, hidden: int | None, wait: int
    ) -> list[queues.Received]:
        clock = self._store.clock
        deadline = clock.now() + wait
        while True:
            with self._arrivals.watch(context, request["QueueUrl"]) as arrival:
                found, again = await self._store.write(
                    lambda transaction: _receive(transaction, context, request["QueueUrl"], most, hidden, clock.now())
                )
                now = clock.now()
                if found or now >= deadline:
                    return found
                until = deadline if again is None else min(deadline, max(again, now + 0.01))
                await arrival.within(until - now)

    async def _batch(
        self, context: Context, request: Document, work: Callable[[Transaction, Context, str, Document], Document]
    ) -> Document:
        entries = request["Entries"]
        _check_batch(entries)
        done: dict[str, list[Any]] = {"Successful": [], "Failed": []}
        for entry, task in [(entry, self._one(context, request["QueueUrl"], entry, work)) for entry in entries]:
            try:
                done["Successful"].append({"Id": entry["Id"], **await task})
            except Fault as fault:
                if fault.code == "QueueDoesNotExist":
                    raise
                done["Failed"].append({"Id": entry["Id"], "SenderFault": True, "Code": fault.code, "Message": fault.message})
        return done

    def _one(
        self, context: Context, url: str, entry: Document, work: Callable[[Transaction, Context, str, Document], Document]
    ) -> Awaitable[Document]:
        """Begins at once, so that a batch is written in one commit."""
        return asyncio.ensure_future(self._store.write(lambda transaction: work(transaction, context, url, entry)))


def _send(transaction: Transaction, context: Context, url: str, request: Document) -> Document:
    queue = rows.of_url(transaction, context, url)
    for member in ("MessageDeduplicationId", "MessageGroupId", "MessageSystemAttributes"):
        if request.get(member):
            raise rows.refused(member)
    given, body = request.get("MessageAttributes", {}), request["MessageBody"]
    attributes.check(given)
    most = queues.setting(queue, "MaximumMessageSize")
    if not body:
        raise Fault("MissingParameter", "The request must contain the parameter MessageBody.")
    if len(body.encode()) + attributes.size(given) > most:
        raise Fault(
            "InvalidParameterValue", f"One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
        )
    delay = request.get("DelaySeconds")
    _check("DelaySeconds", delay or 0, 0, 900)
    sent = queues.send(transaction, queue, body, context.now, sender=context.caller.access_key, attributes=given, delay=delay)
    answer = {"MessageId": sent.key.rpartition("/")[2], "MD5OfMessageBody": queues.digest(body)}
    return {**answer, "MD5OfMessageAttributes": attributes.digest(given)} if given else answer


def _receive(
    transaction: Transaction, context: Context, url: str, most: int, hidden: int | None, now: float
) -> tuple[list[queues.Received], float | None]:
    """What there is, and when else there may be something."""
    queue = rows.of_url(transaction, context, url)
    found = queues.receive(transaction, queue, most, hidden, now)
    return found, None if found else queues.next_visible(transaction, queue, now)


def _delete(transaction: Transaction, context: Context, url: str, request: Document) -> Document:
    row = _held(transaction, context, url, request["ReceiptHandle"])
    if row is not None:
        transaction.resources.delete(row)
    return {}


def _hide(transaction: Transaction, context: Context, url: str, request: Document) -> Document:
    seconds = request.get("VisibilityTimeout", 0)
    _check("VisibilityTimeout", seconds, 0, LONGEST_HIDDEN)
    row = _held(transaction, context, url, request["ReceiptHandle"])
    if row is None or row.status["VisibleAt"] <= context.now:
        raise Fault("MessageNotInflight", "The specified message isn't in flight.")
    queues.hide(transaction, row, seconds, context.now)
    return {}


def _held(transaction: Transaction, context: Context, url: str, handle: str) -> Resource | None:
    queue = rows.of_url(transaction, context, url)
    if handle.count(".") != 1:
        raise Fault("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
    return queues.holding(transaction, queue, handle)


def _shown(message: queues.Received, request: Document) -> Document:
    row = message.row
    given = attributes.wanted(row.spec["Attributes"], request.get("MessageAttributeNames", []))
    system = _system(row, {*request.get("AttributeNames", []), *request.get("MessageSystemAttributeNames", [])})
    return {
        "MessageId": row.key.rpartition("/")[2],
        "ReceiptHandle": message.handle,
        "MD5OfBody": queues.digest(row.spec["Body"]),
        "Body": row.spec["Body"],
        **({"Attributes": system} if system else {}),
        **({"MessageAttributes": given, "MD5OfMessageAttributes": attributes.digest(given)} if given else {}),
    }


def _system(row: Resource, names: set[str]) -> dict[str, str]:
    found = {
        "SenderId": row.spec["Sender"],
        "SentTimestamp": str(int(row.created * 1000)),
        "ApproximateReceiveCount": str(row.status["Receives"]),
        "ApproximateFirstReceiveTimestamp": str(int(row.status["FirstReceived"] * 1000)),
    }
    if "Source" in row.status:
        found["DeadLetterQueueSourceArn"] = row.status["Source"]
    return {name: value for name, value in found.items() if "All" in names or name in names}


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise Fault(
            "InvalidParameterValue",
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {low} and {high}, if provided.",
        )


def _check_batch(entries: list[Document]) -> None:
    names = [entry["Id"] for entry in entries]
    if not names:
        raise Fault("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(names) > MOST:
        raise Fault(
            "TooManyEntriesInBatchRequest", f"Maximum number of entries per request are {MOST}. You have sent {len(names)}."
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Fault("BatchEntryIdsNotDistinct", f"Id {twice} repeated.")
