"""Topics (SNS's): a message goes to every subscription within the publisher's transaction.

What goes to a queue is in the queue when the transaction is written. What goes over HTTP becomes a row (``DELIVERY``) that a
controller delivers and tries again (neighbours/sns/delivery.py). So what was accepted is never lost, and what was not is never sent.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sagewright.base.arn import Arn
from sagewright.base.world import World
from sagewright.signals import queues
from sagewright.signals.filters import passes
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

TOPIC = "sns.Topic"
SUBSCRIPTION = "sns.Subscription"
DELIVERY = "sns.Delivery"
PENDING, CONFIRMED = "PendingConfirmation", "Confirmed"
Attributes = Mapping[str, Mapping[str, str]]
"""MessageAttributes: by name, DataType with StringValue or BinaryValue (base64)."""
_PAGE = 200


class NoTopicError(LookupError):
    """There is no such topic."""


def find(transaction: Transaction, topic_arn: str) -> Resource:
    """Raises NoTopicError."""
    try:
        parsed = Arn.parse(topic_arn)
    except ValueError:
        raise NoTopicError(topic_arn) from None
    row = transaction.resources.get(World(parsed.account, parsed.region), TOPIC, parsed.resource)
    if row is None or row.arn != topic_arn:
        raise NoTopicError(topic_arn)
    return row


def subscriptions(transaction: Transaction, topic: Resource) -> Iterator[Resource]:
    """All of a topic, the oldest first."""
    after: tuple[object, ...] | None = None
    while page := transaction.resources.query(
        topic.world, SUBSCRIPTION, parent=topic.key, order="created", descending=False, after=after, limit=_PAGE
    ):
        yield from page
        after = (page[-1].created, page[-1].key)


def publish(
    transaction: Transaction,
    topic_arn: str,
    message: str | Mapping[str, str],
    now: float,
    *,
    subject: str = "",
    attributes: Attributes | None = None,
) -> str:
    """Sends a message to everybody who has subscribed; returns its id. ``message`` may be one text per protocol, and ``default``.

    Raises NoTopicError.
    """
    topic = find(transaction, topic_arn)
    texts: Mapping[str, str] = {"default": message} if isinstance(message, str) else message
    name = str(uuid.uuid4())
    for subscription in subscriptions(transaction, topic):
        wanted = json.loads(subscription.spec.get("FilterPolicy") or "{}")
        if subscription.state == CONFIRMED and passes(wanted, attributes or {}):
            text = texts.get(subscription.spec["Protocol"], texts["default"])
            _deliver(transaction, subscription, notification(topic, name, text, now, subject, attributes or {}), now)
    return name


def notification(topic: Resource, name: str, text: str, now: float, subject: str, attributes: Attributes) -> Document:
    """The document that a subscriber gets (SNS developer guide, sns-message-and-json-formats).

    Nobody signs it: there is no certificate that a subscriber could fetch, so the three members about that are empty.
    """
    shown = {key: {"Type": value["DataType"], "Value": _value(value)} for key, value in attributes.items()}
    return {
        "Type": "Notification",
        "MessageId": name,
        "TopicArn": topic.arn,
        **({"Subject": subject} if subject else {}),
        "Message": text,
        "Timestamp": timestamp(now),
        "SignatureVersion": "1",
        "Signature": "",
        "SigningCertURL": "",
        "UnsubscribeURL": "",
        **({"MessageAttributes": shown} if shown else {}),
    }


def timestamp(now: float) -> str:
    """``2012-05-02T00:54:06.655Z``."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def post(transaction: Transaction, subscription: Resource, document: Document, now: float) -> None:
    """Queues one HTTP request to the subscription's endpoint."""
    row = Resource(
        subscription.world,
        DELIVERY,
        str(uuid.uuid4()),
        parent=subscription.key,
        spec={"Subscription": subscription.arn, "Document": document},
        created=now,
        modified=now,
        due=now,
    )
    transaction.resources.insert(row)


def give_up(transaction: Transaction, subscription: Resource, document: Document, now: float) -> None:
    """What cannot be delivered goes to the subscription's dead-letter queue, if it has one."""
    policy = json.loads(subscription.spec.get("RedrivePolicy") or "{}")
    queue = queues.find(transaction, policy.get("deadLetterTargetArn", ""))
    if queue is not None:
        queues.send(transaction, queue, json.dumps(document), now, sender=subscription.arn)


def _deliver(transaction: Transaction, subscription: Resource, document: Document, now: float) -> None:
    if subscription.spec["Protocol"] != "sqs":
        post(transaction, subscription, document, now)
        return
    queue = queues.find(transaction, subscription.spec["Endpoint"])
    if queue is None:
        give_up(transaction, subscription, document, now)
    elif subscription.spec.get("RawMessageDelivery") == "true":
        queues.send(transaction, queue, document["Message"], now, sender=document["TopicArn"], attributes=_raw(document))
    else:
        queues.send(transaction, queue, json.dumps(document), now, sender=document["TopicArn"])


def _value(attribute: Mapping[str, str]) -> str:
    return attribute.get("StringValue", attribute.get("BinaryValue", ""))


def _raw(document: Document) -> dict[str, Any]:
    """Attributes of a message that is delivered raw, as SQS has them."""
    return {
        name: {
            "DataType": value["Type"],
            "BinaryValue" if value["Type"].startswith("Binary") else "StringValue": value["Value"],
        }
        for name, value in document.get("MessageAttributes", {}).items()
    }
