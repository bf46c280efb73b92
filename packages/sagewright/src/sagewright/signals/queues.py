"""Message queues (SQS's) as rows: what sends to one, be it a client, a topic or a feature, writes within its own transaction.

A message is a row below its queue. ``status.VisibleAt`` says when it may be received: in the future while it is delayed or in somebody's
hands. A message that was received too often goes to the queue's dead-letter queue with the next look at it.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sagewright.base.arn import Arn
from sagewright.base.world import World
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

QUEUE = "sqs.Queue"
MESSAGE = "sqs.Message"
DEFAULTS: Mapping[str, int] = {
    "DelaySeconds": 0,
    "MaximumMessageSize": 1_048_576,
    "MessageRetentionPeriod": 345_600,
    "ReceiveMessageWaitTimeSeconds": 0,
    "VisibilityTimeout": 30,
}
"""SQS API reference, SetQueueAttributes."""
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it was handed out: its row, and the handle that stands for this receipt."""

    row: Resource
    handle: str


def arn(world: World, name: str) -> str:
    """Of a queue."""
    return f"arn:aws:sqs:{world.region}:{world.account}:{name}"


def find(transaction: Transaction, queue_arn: str) -> Resource | None:
    """The queue with this ARN, in whatever world."""
    try:
        parsed = Arn.parse(queue_arn)
    except ValueError:
        return None
    return transaction.resources.get(World(parsed.account, parsed.region), QUEUE, parsed.resource)


def setting(queue: Resource, name: str) -> int:
    """A number among the queue's attributes."""
    return int(queue.spec.get("Attributes", {}).get(name, DEFAULTS[name]))


def send(
    transaction: Transaction,
    queue: Resource,
    body: str,
    now: float,
    *,
    sender: str,
    attributes: Mapping[str, Any] | None = None,
    delay: int | None = None,
) -> Resource:
    """Puts a message into the queue; ``delay`` in seconds, else the queue's own. Its name is the last part of its key."""
    wait = setting(queue, "DelaySeconds") if delay is None else delay
    row = Resource(
        queue.world,
        MESSAGE,
        f"{queue.key}/{uuid.uuid4()}",
        parent=queue.key,
        spec={"Body": body, "Attributes": dict(attributes or {}), "Sender": sender},
        status={"VisibleAt": now + wait, "Delayed": wait > 0, "Receives": 0},
        created=now,
        modified=now,
    )
    return transaction.resources.insert(row)


def receive(transaction: Transaction, queue: Resource, most: int, visibility: int | None, now: float) -> list[Received]:
    """Hands out up to ``most`` messages, the oldest first, and hides each for ``visibility`` seconds."""
    hidden = setting(queue, "VisibilityTimeout") if visibility is None else visibility
    dead, limit = dead_letters(transaction, queue)
    found: list[Received] = []
    for row in messages(transaction, queue):
        if row.status["VisibleAt"] > now:
            continue
        if row.created + setting(queue, "MessageRetentionPeriod") <= now:
            transaction.resources.delete(row)
        elif dead is not None and row.status["Receives"] >= limit:
            _bury(transaction, row, dead)
        else:
            found.append(_hand_out(transaction, row, hidden, now))
        if len(found) == most:
            break
    return found


def dead_letters(transaction: Transaction, queue: Resource) -> tuple[Resource | None, int]:
    """The queue for what was received too often, and how often that is."""
    policy = json.loads(queue.spec.get("Attributes", {}).get("RedrivePolicy") or "{}")
    if not policy:
        return None, 0
    return find(transaction, policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])


def messages(transaction: Transaction, queue: Resource) -> Iterator[Resource]:
    """All of a queue, the oldest first."""
    after: tuple[object, ...] | None = None
    while page := transaction.resources.query(
        queue.world, MESSAGE, parent=queue.key, order="created", descending=False, after=after, limit=_PAGE
    ):
        yield from page
        after = (page[-1].created, page[-1].key)


def holding(transaction: Transaction, queue: Resource, handle: str) -> Resource | None:
    """The message that this receipt stands for; None when it is gone or was received again since."""
    name, _, receipt = handle.partition(".")
    row = transaction.resources.get(queue.world, MESSAGE, f"{queue.key}/{name}")
    return row if row is not None and row.status.get("Receipt") == receipt else None


def hide(transaction: Transaction, row: Resource, seconds: int, now: float) -> None:
    """The message may be received again after so long."""
    transaction.resources.save(replace(row, status={**row.status, "VisibleAt": now + seconds}))


def counts(transaction: Transaction, queue: Resource, now: float) -> tuple[int, int, int]:
    """Messages that may be received, that are in somebody's hands, that are delayed."""
    visible = hidden = delayed = 0
    for row in messages(transaction, queue):
        if row.status["VisibleAt"] <= now:
            visible += 1
        elif row.status["Delayed"]:
            delayed += 1
        else:
            hidden += 1
    return visible, hidden, delayed


def next_visible(transaction: Transaction, queue: Resource, now: float) -> float | None:
    """When the next hidden message may be received."""
    return min((row.status["VisibleAt"] for row in messages(transaction, queue)), default=None)


def clear(transaction: Transaction, queue: Resource, before: float | None = None) -> int:
    """Removes all messages, or those sent before then; how many."""
    gone = [row for row in messages(transaction, queue) if before is None or row.created <= before]
    for row in gone:
        transaction.resources.delete(row)
    return len(gone)


def digest(text: str) -> str:
    """MD5OfMessageBody."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _hand_out(transaction: Transaction, row: Resource, hidden: int, now: float) -> Received:
    receipt = uuid.uuid4().hex
    status: Document = {
        "FirstReceived": now,
        **row.status,
        "VisibleAt": now + hidden,
        "Delayed": False,
        "Receives": row.status["Receives"] + 1,
        "Receipt": receipt,
    }
    saved = transaction.resources.save(replace(row, status=status))
    return Received(saved, f"{row.key.rpartition('/')[2]}.{receipt}")


def _bury(transaction: Transaction, row: Resource, dead: Resource) -> None:
    """It keeps its id and the time it was sent (SQS developer guide, dead-letter queues)."""
    transaction.resources.delete(row)
    moved = replace(
        row,
        world=dead.world,
        key=f"{dead.key}/{row.key.rpartition('/')[2]}",
        parent=dead.key,
        status={"VisibleAt": 0.0, "Delayed": False, "Receives": row.status["Receives"], "Source": arn(row.world, row.parent)},
        version=1,
    )
    transaction.resources.insert(moved)
