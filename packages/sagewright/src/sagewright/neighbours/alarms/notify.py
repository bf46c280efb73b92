"""An alarm's action that names a topic of SNS: CloudWatch's notification goes to its subscribers."""

from __future__ import annotations

import orjson

from sagewright.base.world import World
from sagewright.neighbours.alarms.changes import Undeliverable
from sagewright.signals import topics
from sagewright.store.database import Transaction
from sagewright.store.rows import Document

_LONGEST_SUBJECT = 100
"""Characters (SNS API reference, Publish)."""


def deliver(transaction: Transaction, world: World, arn: str, message: Document, now: float) -> None:
    """Raises Undeliverable when there is no such topic. AWS's subject has the region's long name where this one has its code."""
    subject = f'{message["NewStateValue"]}: "{message["AlarmName"]}" in {world.region}'
    try:
        topics.publish(transaction, arn, orjson.dumps(message).decode(), now, subject=subject[:_LONGEST_SUBJECT])
    except topics.NoTopicError as problem:
        raise Undeliverable("Topic does not exist.") from problem
