"""Topics: make, list, look at, change, delete."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import Handlers, make_marker, read_marker, refuse
from sagewright.signals import topics
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

KEPT = frozenset({"DisplayName", "Policy"})
"""Attributes that are kept and shown. A display name is for phones and e-mail; no policy is evaluated."""
PAGE = 100
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Topics:
    """Rows of kind ``sns.Topic`` by name."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "CreateTopic": self.create,
            "DeleteTopic": self.delete,
            "ListTopics": self.list,
            "GetTopicAttributes": self.get_attributes,
            "SetTopicAttributes": self.set_attributes,
        }

    async def create(self, context: Context, request: Document) -> Document:
        """CreateTopic: one that is there is answered with its ARN."""
        refuse(request, "InvalidParameter", "DataProtectionPolicy")
        name, given = request["Name"], request.get("Attributes", {})
        if name.endswith(".fifo") or given.get("FifoTopic") == "true":
            raise invalid("Sagewright does not support FIFO topics.")
        if not _NAME.fullmatch(name):
            raise invalid("Topic Name")
        for attribute in given:
            _check(attribute)

        def work(transaction: Transaction) -> str:
            known = transaction.resources.get(context.world, topics.TOPIC, name)
            if known is not None:
                return known.arn
            row = transaction.resources.insert(_new(context, name, given))
            transaction.tags.set(row.arn, {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])})
            return row.arn

        return {"TopicArn": await self._store.write(work)}

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteTopic, and all its subscriptions; one that is not there is deleted already."""

        def work(transaction: Transaction) -> Document:
            try:
                topic = topics.find(transaction, request["TopicArn"])
            except topics.NoTopicError:
                return {}
            for subscription in list(topics.subscriptions(transaction, topic)):
                transaction.resources.delete(subscription)
            transaction.resources.delete(topic)
            return {}

        return await self._store.write(work)

    async def list(self, context: Context, request: Document) -> Document:
        """ListTopics, by name, a hundred at a time."""
        after = None if "NextToken" not in request else tuple(marker(request))

        def work(transaction: Transaction) -> list[Resource]:
            return transaction.resources.query(
                context.world, topics.TOPIC, order="name", descending=False, after=after, limit=PAGE
            )

        found = await self._store.read(work)
        more = {"NextToken": make_marker([found[-1].name, found[-1].key])} if len(found) == PAGE else {}
        return {"Topics": [{"TopicArn": topic.arn} for topic in found], **more}

    async def get_attributes(self, context: Context, request: Document) -> Document:
        """GetTopicAttributes."""

        def work(transaction: Transaction) -> Document:
            topic = find(transaction, request["TopicArn"])
            states = [subscription.state for subscription in topics.subscriptions(transaction, topic)]
            return {"Attributes": _shown(topic, states)}

        return await self._store.read(work)

    async def set_attributes(self, context: Context, request: Document) -> Document:
        """SetTopicAttributes: one."""
        _check(request["AttributeName"])
        given = {request["AttributeName"]: request.get("AttributeValue", "")}

        def work(transaction: Transaction) -> Document:
            topic = find(transaction, request["TopicArn"])
            transaction.resources.save(replace(topic, spec={**topic.spec, **given}, modified=context.now))
            return {}

        return await self._store.write(work)


def find(transaction: Transaction, arn: str) -> Resource:
    """Raises Fault."""
    try:
        return topics.find(transaction, arn)
    except topics.NoTopicError:
        raise Fault("NotFound", "Topic does not exist", 404) from None


def invalid(what: str) -> Fault:
    """AWS's beginning of such a sentence."""
    return Fault("InvalidParameter", f"Invalid parameter: {what}")


def marker(request: Document) -> list[str]:
    """The two texts of a NextToken. Raises Fault."""
    return read_marker(request["NextToken"], 2, invalid("NextToken"))


def _new(context: Context, name: str, given: dict[str, str]) -> Resource:
    world = context.world
    return Resource(
        world,
        topics.TOPIC,
        name,
        arn=f"arn:aws:sns:{world.region}:{world.account}:{name}",
        name=name,
        spec={attribute: value for attribute, value in given.items() if attribute in KEPT},
        created=context.now,
        modified=context.now,
    )


def _check(attribute: str) -> None:
    if attribute not in KEPT | {"FifoTopic"}:
        raise invalid(f"AttributeName: Sagewright does not support {attribute}")


def _shown(topic: Resource, states: list[str]) -> dict[str, str]:
    counted: dict[str, Any] = {
        "SubscriptionsConfirmed": states.count(topics.CONFIRMED),
        "SubscriptionsPending": states.count(topics.PENDING),
        "SubscriptionsDeleted": 0,
    }
    return {
        "TopicArn": topic.arn,
        "Owner": topic.world.account,
        "DisplayName": "",
        "Policy": json.dumps({"Version": "2008-10-17", "Statement": []}),
        **topic.spec,
        **{name: str(count) for name, count in counted.items()},
    }
