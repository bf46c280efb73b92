"""Publish and PublishBatch: answered once every subscriber's message is in the store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import Handlers, refuse
from sagewright.neighbours.sns.topics import find, invalid
from sagewright.signals import topics
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

LARGEST = 262_144
"""Bytes of a message (SNS API reference, Publish)."""
MOST = 10


class Publishing:
    """See the module docstring."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {"Publish": self.publish, "PublishBatch": self.publish_batch}

    async def publish(self, context: Context, request: Document) -> Document:
        """Publish to a topic; phones and devices are not there."""
        refuse(request, "InvalidParameter", "PhoneNumber")
        arn = request.get("TopicArn") or request.get("TargetArn")
        if not arn:
            raise invalid("TopicArn or TargetArn Reason: no value for required parameter")
        return {"MessageId": await self._send(context, arn, request)}

    async def publish_batch(self, context: Context, request: Document) -> Document:
        """PublishBatch: each entry by itself, in one commit."""
        entries, arn = request["PublishBatchRequestEntries"], request["TopicArn"]
        _check_batch(entries)
        await self._store.read(lambda transaction: find(transaction, arn))
        sent = await asyncio.gather(*(self._send(context, arn, entry) for entry in entries), return_exceptions=True)
        done: dict[str, list[Any]] = {"Successful": [], "Failed": []}
        for entry, outcome in zip(entries, sent, strict=True):
            if isinstance(outcome, Fault):
                done["Failed"].append(
                    {"Id": entry["Id"], "Code": outcome.code, "Message": outcome.message, "SenderFault": True}
                )
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                done["Successful"].append({"Id": entry["Id"], "MessageId": outcome})
        return done

    async def _send(self, context: Context, arn: str, request: Document) -> str:
        refuse(request, "InvalidParameter", "MessageDeduplicationId", "MessageGroupId")
        attributes, message = request.get("MessageAttributes", {}), _message(request)
        _check_attributes(attributes)

        def work(transaction: Transaction) -> str:
            find(transaction, arn)
            return topics.publish(
                transaction, arn, message, context.now, subject=request.get("Subject", ""), attributes=attributes
            )

        return await self._store.write(work)


def _message(request: Document) -> str | Mapping[str, str]:
    text = request["Message"]
    if not text:
        raise invalid("Empty message")
    if len(text.encode()) > LARGEST:
        raise invalid("Message too long")
    if "MessageStructure" not in request:
        return str(text)
    if request["MessageStructure"] != "json":
        raise invalid("MessageStructure")
    try:
        texts = json.loads(text)
    except ValueError:
        raise invalid("Message Structure - JSON message body failed to parse") from None
    if not isinstance(texts, dict) or not isinstance(texts.get("default"), str):
        raise invalid("Message Structure - No default entry in JSON message body")
    return {name: value for name, value in texts.items() if isinstance(value, str)}


def _check_attributes(attributes: Mapping[str, Mapping[str, str]]) -> None:
    for name, value in attributes.items():
        kind = value["DataType"].partition(".")[0]
        member = "BinaryValue" if kind == "Binary" else "StringValue"
        if kind not in ("String", "Number", "Binary") or not value.get(member):
            raise Fault("ParameterValueInvalid", f"The message attribute '{name}' must contain a non-empty value of its type.")
        if kind == "Number":
            _number(name, value["StringValue"])
        if value["DataType"] == "String.Array":
            _array(name, value["StringValue"])


def _number(name: str, text: str) -> None:
    try:
        float(text)
    except ValueError:
        raise Fault("ParameterValueInvalid", f"Could not cast message attribute '{name}' value to number.") from None


def _array(name: str, text: str) -> None:
    try:
        good = isinstance(json.loads(text), list)
    except ValueError:
        good = False
    if not good:
        raise Fault("ParameterValueInvalid", f"The message attribute '{name}' is no array.")


def _check_batch(entries: list[Document]) -> None:
    names = [entry["Id"] for entry in entries]
    if not names:
        raise Fault("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    if len(names) > MOST:
        raise Fault("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
    if len(set(names)) < len(names):
        raise Fault("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
