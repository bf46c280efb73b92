"""Queues as requests name them: by URL, by name; what their attributes may be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from sagewright.base.world import World
from sagewright.kernel.operation import Context
from sagewright.signals import queues
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

BOUNDS: Mapping[str, tuple[int, int]] = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
"""SQS API reference, SetQueueAttributes."""
KEPT = frozenset({"Policy", "RedrivePolicy", "RedriveAllowPolicy", "SqsManagedSseEnabled"})
"""Kept and shown; of these only RedrivePolicy has an effect."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


def missing() -> Fault:
    """AWS's words for a queue that is not there."""
    return Fault("QueueDoesNotExist", "The specified queue does not exist.")


def of_url(transaction: Transaction, context: Context, url: str) -> Resource:
    """``<anything>/<account>/<name>`` names a queue of the region; a bare name one of the caller's. Raises Fault."""
    account, _, name = urlsplit(url).path.strip("/").rpartition("/")
    world = World(account.rpartition("/")[2] or context.world.account, context.world.region)
    row = transaction.resources.get(world, queues.QUEUE, name)
    if row is None:
        raise missing()
    return row


def check_name(name: str) -> None:
    """Raises Fault."""
    if name.endswith(".fifo"):
        raise refused("FIFO queues")
    if not _NAME.fullmatch(name):
        raise Fault(
            "InvalidParameterValue", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        )


def check_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """Those that were given, if each may be what it is. Raises Fault."""
    for name, value in attributes.items():
        if name == "FifoQueue" or name.startswith("Kms"):
            raise refused(name)
        if name in BOUNDS:
            low, high = BOUNDS[name]
            if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
                raise Fault("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
        elif name not in KEPT:
            raise Fault("InvalidAttributeName", f"Unknown Attribute {name}.")
    _check_redrive(attributes.get("RedrivePolicy", ""))
    return dict(attributes)


def changed(queue: Resource, attributes: Mapping[str, str], now: float) -> Resource:
    """With these attributes instead of its own of the same name; an empty one is taken away."""
    merged = {name: value for name, value in {**queue.spec["Attributes"], **attributes}.items() if value != ""}
    return replace(queue, spec={**queue.spec, "Attributes": merged}, modified=now, due=now)


def shown(transaction: Transaction, queue: Resource, now: float) -> Document:
    """All attributes as GetQueueAttributes answers them."""
    visible, hidden, delayed = queues.counts(transaction, queue, now)
    numbers = {name: queues.setting(queue, name) for name in queues.DEFAULTS}
    found = {
        **numbers,
        "SqsManagedSseEnabled": "false",
        **queue.spec["Attributes"],
        "QueueArn": queue.arn,
        "ApproximateNumberOfMessages": visible,
        "ApproximateNumberOfMessagesNotVisible": hidden,
        "ApproximateNumberOfMessagesDelayed": delayed,
        "CreatedTimestamp": int(queue.created),
        "LastModifiedTimestamp": int(queue.modified),
    }
    return {name: str(value) for name, value in found.items()}


def refused(what: str) -> Fault:
    """For what SQS can do and is not here."""
    return Fault("UnsupportedOperation", f"Sagewright does not support {what} of SQS.")


def _check_redrive(text: str) -> None:
    if not text:
        return
    try:
        policy = json.loads(text)
        target, most = str(policy["deadLetterTargetArn"]), int(policy["maxReceiveCount"])
    except (ValueError, KeyError, TypeError):
        raise Fault("InvalidAttributeValue", f"Value {text} for parameter RedrivePolicy is invalid.") from None
    if not target.startswith("arn:aws") or not 1 <= most <= 1000:
        raise Fault("InvalidAttributeValue", f"Value {text} for parameter RedrivePolicy is invalid.")
