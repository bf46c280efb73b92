"""Model cards: every change of a card makes a new version, and old versions can still be read."""

from __future__ import annotations

import json
from typing import Any

from sagewright.features.records.versions import next_version
from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.projection import at
from sagewright.kernel.writing import change, insert, new_resource, tag_mapping
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

_PUBLIC = (
    "model_overview.model_id",
    "model_overview.model_name",
    "intended_uses.risk_rating",
    "model_package_details.model_package_group_name",
    "model_package_details.model_package_arn",
)
"""DOC (DescribeModelCard, Content): what MetadataOnly leaves of the content."""


class ModelCards:
    """Operations on ModelCard."""

    def __init__(self, engine: Engine) -> None:
        self._catalog, self._store = engine.catalog, engine.store
        self._kind, self._version = engine.catalog["ModelCard"], engine.catalog["ModelCardVersion"]
        self._described = engine.catalog.projection(self._kind, "DescribeModelCard")

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {"CreateModelCard": self.create, "DescribeModelCard": self.describe, "UpdateModelCard": self.update}

    async def create(self, context: Context, request: Document) -> Document:
        """Version 1."""
        _check_content(request["Content"])
        spec = {member: value for member, value in request.items() if member != "Tags"}
        tags = tag_mapping(request.get("Tags"))

        def work(transaction: Transaction) -> Document:
            card = insert(transaction, self._catalog, new_resource(context, self._kind, spec), tags)
            self._add_version(transaction, context, card)
            return {"ModelCardArn": card.arn}

        return await self._store.write(work)

    async def update(self, context: Context, request: Document) -> Document:
        """DOC: content and status cannot be changed in one call."""
        if "Content" in request and "ModelCardStatus" in request:
            raise validation("Model card content and model card status cannot be updated in a single call.")
        if "Content" in request:
            _check_content(request["Content"])

        def work(transaction: Transaction) -> Document:
            card = self._catalog.find(transaction, context.world, self._kind, request)
            given: Document = {member: request[member] for member in ("Content", "ModelCardStatus") if member in request}
            self._add_version(transaction, context, change(transaction, context, self._kind, card, {**card.spec, **given}))
            return {"ModelCardArn": card.arn}

        return await self._store.write(work)

    async def describe(self, context: Context, request: Document) -> Document:
        """The latest version, or the one asked for."""

        def work(transaction: Transaction) -> Document:
            card = self._catalog.find(transaction, context.world, self._kind, request)
            number = request.get("ModelCardVersion", card.status["LastVersion"])
            row = transaction.resources.get(context.world, self._version.name, f"{card.key}/{number}")
            if row is None:
                raise Fault("ResourceNotFound", f"ModelCard {card.key} has no version {number}.")
            return {**self._catalog.document(self._kind, card), **row.spec, **row.status, "LastModifiedTime": row.created}

        answer: Document = self._described(await self._store.read(work))
        if request.get("IncludedData") == "MetadataOnly":
            answer["Content"] = _metadata(answer["Content"])
        return answer

    def _add_version(self, transaction: Transaction, context: Context, card: Resource) -> None:
        number = next_version(transaction, card)
        spec: dict[str, Any] = {**card.spec, "ModelCardVersion": number}
        status = {"ModelCardArn": card.arn, "CreatedBy": card.status["CreatedBy"]}
        insert(transaction, self._catalog, new_resource(context, self._version, spec, **status))


def _check_content(content: str) -> None:
    """DOC (CreateModelCard): a JSON document in the model card schema."""
    try:
        document = json.loads(content)
    except ValueError:
        raise validation("Model card content is not valid JSON.") from None
    if not isinstance(document, dict):
        raise validation("Model card content must be a JSON object.")


def _metadata(content: str) -> str:
    document = json.loads(content)
    kept: Document = {}
    for path in _PUBLIC:
        value = at(document, path)
        if value is not None:
            section, _, member = path.partition(".")
            kept.setdefault(section, {})[member] = value
    return json.dumps(kept)
