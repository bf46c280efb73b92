"""Artifacts and associations; contexts and actions are derived.

An artifact is named by what it stands for: the same source, type and name give the same ARN, so that it cannot be made twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sagewright.kernel.engine import Engine
from sagewright.kernel.ids import digest_id
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.writing import insert, new_resource, remove, tag_mapping
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

BATCH = 500

_TYPES = {"Artifact": "ArtifactType", "Context": "ContextType", "Action": "ActionType"}
ENTITIES = ("Artifact", "Context", "Action", "TrialComponent", "Experiment", "Trial")
"""Kinds that an association may tie together."""


class Lineage:
    """Operations on Artifact and Association."""

    def __init__(self, engine: Engine) -> None:
        self._catalog, self._store = engine.catalog, engine.store
        self._artifact, self._association = engine.catalog["Artifact"], engine.catalog["Association"]

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {
            "CreateArtifact": self.create_artifact,
            "DeleteArtifact": self.delete_artifact,
            "AddAssociation": self.associate,
            "DeleteAssociation": self.disassociate,
        }

    async def create_artifact(self, context: Context, request: Document) -> Document:
        """DOC: a URI addressable object; its ARN ends in 32 digits that follow from what it is."""
        tags = tag_mapping(request.get("Tags"))
        spec = {member: value for member, value in request.items() if member != "Tags"}
        source = spec["Source"]
        ids = sorted(f"{item['SourceIdType']}={item['Value']}" for item in source.get("SourceTypes", []))
        key = digest_id(source["SourceUri"], spec["ArtifactType"], spec.get("ArtifactName", ""), *ids)

        def work(transaction: Transaction) -> Document:
            row = replace(new_resource(context, self._artifact, spec), key=key, name=spec.get("ArtifactName", key))
            arn = self._artifact.arn_of(context.world, key)
            return {"ArtifactArn": insert(transaction, self._catalog, replace(row, arn=arn), tags).arn}

        return await self._store.write(work)

    async def delete_artifact(self, context: Context, request: Document) -> Document:
        """By ARN or by source."""
        if "ArtifactArn" not in request and "Source" not in request:
            raise validation("Either ArtifactArn or Source must be specified.")

        def work(transaction: Transaction) -> Document:
            row = self._artifact_row(transaction, context, request)
            remove(transaction, self._catalog, row)
            return {"ArtifactArn": row.arn}

        return await self._store.write(work)

    async def associate(self, context: Context, request: Document) -> Document:
        """Both ends must be lineage entities that are there."""

        def work(transaction: Transaction) -> Document:
            ends = {end: self._entity(transaction, context, request[f"{end}Arn"]) for end in ("Source", "Destination")}
            status: Document = {}
            for end, row in ends.items():
                status |= {f"{end}Type": entity_type(row), f"{end}Name": row.name}
            row = new_resource(context, self._association, request, **status)
            insert(transaction, self._catalog, replace(row, parent=request["SourceArn"]))
            return {"SourceArn": request["SourceArn"], "DestinationArn": request["DestinationArn"]}

        return await self._store.write(work)

    async def disassociate(self, context: Context, request: Document) -> Document:
        """Raises ResourceNotFound when there is no such association."""

        def work(transaction: Transaction) -> Document:
            row = transaction.resources.get(context.world, self._association.name, self._association.key(request))
            if row is None:
                raise self._catalog.missing(self._association, context.world, self._association.key(request))
            transaction.resources.delete(row)
            return {"SourceArn": request["SourceArn"], "DestinationArn": request["DestinationArn"]}

        return await self._store.write(work)

    def _entity(self, transaction: Transaction, context: Context, arn: str) -> Resource:
        row = transaction.resources.by_arn(arn)
        if row is None or row.world != context.world or row.kind not in ENTITIES:
            raise Fault("ResourceNotFound", f"Lineage entity {arn} does not exist.")
        return row

    def _artifact_row(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        if "ArtifactArn" in request:
            return self._catalog.named(transaction, context.world, self._artifact, request["ArtifactArn"])
        for row in every_row(transaction, context, self._artifact.name):
            if _same_source(row.spec["Source"], request["Source"]):
                return row
        raise self._catalog.missing(self._artifact, context.world, request["Source"]["SourceUri"])


def every_row(transaction: Transaction, context: Context, kind: str) -> Iterator[Resource]:
    """All rows of a kind in the caller's world, newest first."""
    after: tuple[float, str] | None = None
    while True:
        rows = transaction.resources.query(context.world, kind, after=after, limit=BATCH)
        yield from rows
        if len(rows) < BATCH:
            return
        after = (rows[-1].created, rows[-1].key)


def entity_type(row: Resource) -> str:
    """What lineage calls an entity's type: the user's word, or for a trial component the kind of job it stands for."""
    if row.kind in _TYPES:
        return str(row.spec[_TYPES[row.kind]])
    return str(row.status.get("Source", {}).get("SourceType", row.kind))


def _same_source(found: Any, wanted: Any) -> bool:
    return found["SourceUri"] == wanted["SourceUri"] and (
        "SourceTypes" not in wanted or found.get("SourceTypes") == wanted["SourceTypes"]
    )
