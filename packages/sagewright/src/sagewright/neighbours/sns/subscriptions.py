"""Subscriptions: queues at once, HTTP addresses after they have confirmed; filter policies, raw delivery, dead-letter queues."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import replace

from sagewright.base.arn import Arn
from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import Handlers, make_marker
from sagewright.neighbours.sns import addresses
from sagewright.neighbours.sns.topics import PAGE, find, invalid, marker
from sagewright.signals import filters, topics
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

PROTOCOLS = ("sqs", "http", "https")
_PENDING = "pending confirmation"


class Subscriptions:
    """Rows of kind ``sns.Subscription`` below their topic."""

    def __init__(self, store: Store, *, anywhere: bool) -> None:
        self._store = store
        self._anywhere = anywhere

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "Subscribe": self.subscribe,
            "ConfirmSubscription": self.confirm,
            "Unsubscribe": self.unsubscribe,
            "ListSubscriptions": self.list,
            "ListSubscriptionsByTopic": self.list_by_topic,
            "GetSubscriptionAttributes": self.get_attributes,
            "SetSubscriptionAttributes": self.set_attributes,
        }

    async def subscribe(self, context: Context, request: Document) -> Document:
        """Subscribe: the same endpoint a second time is the same subscription."""
        protocol, endpoint, given = request["Protocol"], request.get("Endpoint", ""), request.get("Attributes", {})
        self._check_endpoint(protocol, endpoint)
        for name, value in given.items():
            _check(name, value)

        def work(transaction: Transaction) -> Resource:
            topic = find(transaction, request["TopicArn"])
            for known in topics.subscriptions(transaction, topic):
                if (known.spec["Protocol"], known.spec["Endpoint"]) == (protocol, endpoint):
                    return known
            row = transaction.resources.insert(_new(context, topic, protocol, endpoint, given))
            if row.state == topics.PENDING:
                topics.post(transaction, row, _question(topic, row, context.now), context.now)
            return row

        row = await self._store.write(work)
        told = row.state == topics.CONFIRMED or request.get("ReturnSubscriptionArn")
        return {"SubscriptionArn": row.arn if told else _PENDING}

    async def confirm(self, context: Context, request: Document) -> Document:
        """ConfirmSubscription with the token that the endpoint was sent."""

        def work(transaction: Transaction) -> Document:
            topic = find(transaction, request["TopicArn"])
            for row in topics.subscriptions(transaction, topic):
                if secrets.compare_digest(row.spec["Token"], request["Token"]):
                    transaction.resources.save(replace(row, state=topics.CONFIRMED, modified=context.now))
                    return {"SubscriptionArn": row.arn}
            raise invalid("Token")

        return await self._store.write(work)

    async def unsubscribe(self, context: Context, request: Document) -> Document:
        """Unsubscribe: one that is not there is gone already."""

        def work(transaction: Transaction) -> Document:
            row = transaction.resources.by_arn(request["SubscriptionArn"])
            if row is not None and row.kind == topics.SUBSCRIPTION:
                transaction.resources.delete(row)
            return {}

        return await self._store.write(work)

    async def list(self, context: Context, request: Document) -> Document:
        """ListSubscriptions of the account, a hundred at a time."""
        return await self._listed(context, request, None)

    async def list_by_topic(self, context: Context, request: Document) -> Document:
        """ListSubscriptionsByTopic."""
        topic = await self._store.read(lambda transaction: find(transaction, request["TopicArn"]))
        return await self._listed(context, request, topic)

    async def get_attributes(self, context: Context, request: Document) -> Document:
        """GetSubscriptionAttributes."""
        row = await self._store.read(lambda transaction: _found(transaction, request))
        hidden = {"Protocol", "Endpoint", "Token", "TopicArn"}
        return {
            "Attributes": {
                "SubscriptionArn": row.arn,
                "TopicArn": row.spec["TopicArn"],
                "Protocol": row.spec["Protocol"],
                "Endpoint": row.spec["Endpoint"],
                "Owner": row.world.account,
                "RawMessageDelivery": "false",
                "PendingConfirmation": "true" if row.state == topics.PENDING else "false",
                "ConfirmationWasAuthenticated": "true",
                **{name: value for name, value in row.spec.items() if name not in hidden},
            }
        }

    async def set_attributes(self, context: Context, request: Document) -> Document:
        """SetSubscriptionAttributes: one; a policy without a text is taken away."""
        name, value = request["AttributeName"], request.get("AttributeValue", "")
        _check(name, value)

        def work(transaction: Transaction) -> Document:
            row = _found(transaction, request)
            spec = {member: kept for member, kept in {**row.spec, name: value}.items() if kept != ""}
            transaction.resources.save(replace(row, spec=spec, modified=context.now))
            return {}

        return await self._store.write(work)

    async def _listed(self, context: Context, request: Document, topic: Resource | None) -> Document:
        after = None
        if "NextToken" in request:
            created, key = marker(request)
            after = (float(created), key)

        def work(transaction: Transaction) -> list[Resource]:
            return transaction.resources.query(
                context.world if topic is None else topic.world,
                topics.SUBSCRIPTION,
                parent=None if topic is None else topic.key,
                order="created",
                descending=False,
                after=after,
                limit=PAGE,
            )

        rows = await self._store.read(work)
        more = {"NextToken": make_marker([repr(rows[-1].created), rows[-1].key])} if len(rows) == PAGE else {}
        return {"Subscriptions": [_listed(row) for row in rows], **more}

    def _check_endpoint(self, protocol: str, endpoint: str) -> None:
        if protocol not in PROTOCOLS:
            raise invalid(f"Sagewright delivers to sqs, http and https, not to {protocol}.")
        if protocol == "sqs":
            if not endpoint.startswith("arn:") or endpoint.count(":") != 5 or Arn.parse(endpoint).service != "sqs":
                raise invalid("SQS endpoint ARN")
            return
        try:
            addresses.check(protocol, endpoint, anywhere=self._anywhere)
        except ValueError as problem:
            raise invalid(f"Endpoint: {problem}") from problem


def _new(context: Context, topic: Resource, protocol: str, endpoint: str, given: Mapping[str, str]) -> Resource:
    name = str(uuid.uuid4())
    spec = {"TopicArn": topic.arn, "Protocol": protocol, "Endpoint": endpoint, "Token": secrets.token_hex(32)}
    return Resource(
        topic.world,
        topics.SUBSCRIPTION,
        name,
        arn=f"{topic.arn}:{name}",
        state=topics.CONFIRMED if protocol == "sqs" else topics.PENDING,
        parent=topic.key,
        spec={**spec, **given},
        created=context.now,
        modified=context.now,
    )


def _question(topic: Resource, row: Resource, now: float) -> Document:
    """What an HTTP endpoint is sent before anything else (SNS developer guide, http-subscription-confirmation-json)."""
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": str(uuid.uuid4()),
        "Token": row.spec["Token"],
        "TopicArn": topic.arn,
        "Message": (
            f"You have chosen to subscribe to the topic {topic.arn}.\n"
            "To confirm the subscription, call ConfirmSubscription with the Token of this message."
        ),
        "SubscribeURL": "",
        "Timestamp": topics.timestamp(now),
        "SignatureVersion": "1",
        "Signature": "",
        "SigningCertURL": "",
    }


def _check(name: str, value: str) -> None:
    """Raises Fault for an attribute that is not honoured or a value that it cannot have."""
    if name == "FilterPolicy" and value:
        try:
            filters.check(value)
        except filters.BadPolicyError as problem:
            raise invalid(f"FilterPolicy: {problem}") from problem
    elif name == "RedrivePolicy" and value:
        try:
            json.loads(value)["deadLetterTargetArn"]
        except (ValueError, KeyError, TypeError):
            raise invalid("RedrivePolicy: must contain a deadLetterTargetArn") from None
    elif name == "RawMessageDelivery" and value not in ("true", "false"):
        raise invalid(f"RawMessageDelivery: Invalid value [{value}]. Must be true or false.")
    elif name == "FilterPolicyScope" and value != "MessageAttributes":
        raise invalid("FilterPolicyScope: Sagewright filters on MessageAttributes.")
    elif name not in ("FilterPolicy", "RedrivePolicy", "RawMessageDelivery", "FilterPolicyScope"):
        raise invalid(f"AttributeName: Sagewright does not support {name}")


def _found(transaction: Transaction, request: Document) -> Resource:
    row = transaction.resources.by_arn(request["SubscriptionArn"])
    if row is None or row.kind != topics.SUBSCRIPTION:
        raise Fault("NotFound", "Subscription does not exist", 404)
    return row


def _listed(row: Resource) -> Document:
    return {
        "SubscriptionArn": row.arn if row.state == topics.CONFIRMED else "PendingConfirmation",
        "Owner": row.world.account,
        "Protocol": row.spec["Protocol"],
        "Endpoint": row.spec["Endpoint"],
        "TopicArn": row.spec["TopicArn"],
    }
