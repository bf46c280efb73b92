"""Pipeline definitions and their versions. Executions are work and belong to another feature."""

from __future__ import annotations

import json
from typing import Any

from sagewright.features.records.versions import children, next_version, refuse_taken, with_alias
from sagewright.kernel.engine import Engine
from sagewright.kernel.listing import List
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.shapes import token_member
from sagewright.kernel.writing import change, insert, new_resource, once, tag_mapping
from sagewright.objects.s3 import Location, Objects
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, not_available, validation

_ALIASES = "PipelineVersionAliases"
_SOURCES = ("PipelineDefinition", "PipelineDefinitionS3Location")
_VERSIONED = ("PipelineDefinition", "PipelineDescription", "PipelineDisplayName", "RoleArn", "ParallelismConfiguration")


class Pipelines:
    """Operations on Pipeline and PipelineVersion."""

    def __init__(self, engine: Engine, objects: Objects | None) -> None:
        self._catalog, self._store, self._objects = engine.catalog, engine.store, objects
        self._kind, self._version = engine.catalog["Pipeline"], engine.catalog["PipelineVersion"]
        self._token = token_member(engine.model.input("CreatePipeline"))
        filters = {"ManagedBy": _managed_by}
        self._list = List(engine.catalog, engine.store, self._kind, "ListPipelines", engine.tokens, filters)
        self._described = engine.catalog.projection(self._kind, "DescribePipeline")

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {
            "CreatePipeline": self.create,
            "UpdatePipeline": self.update,
            "DescribePipeline": self.describe,
            "UpdatePipelineVersion": self.update_version,
            "ListPipelines": self._list,
        }

    async def create(self, context: Context, request: Document) -> Document:
        """Version 1 of a definition given as text or lying in S3."""
        if sum(source in request for source in _SOURCES) != 1:
            raise validation("Exactly one of PipelineDefinition and PipelineDefinitionS3Location must be specified.")
        spec = await self._spec(request)
        tags = tag_mapping(request.get("Tags"))

        def insert_first(transaction: Transaction) -> Document:
            aliases = spec.pop(_ALIASES, [])
            row = insert(transaction, self._catalog, new_resource(context, self._kind, spec), tags)
            self._add_version(transaction, context, row, aliases)
            return {"PipelineArn": row.arn}

        def work(transaction: Transaction) -> Document:
            token = request.get(self._token)
            return once(transaction, context, "CreatePipeline", token, request, lambda: insert_first(transaction))

        return await self._store.write(work)

    async def update(self, context: Context, request: Document) -> Document:
        """Every update is a new version."""
        if all(source in request for source in _SOURCES):
            raise validation("Only one of PipelineDefinition and PipelineDefinitionS3Location can be specified.")
        given = await self._spec(request)
        aliases = given.pop(_ALIASES, [])

        def work(transaction: Transaction) -> Document:
            row = self._catalog.find(transaction, context.world, self._kind, request)
            refuse_taken(children(transaction, row, self._version.name), _ALIASES, aliases, "", "ConflictException")
            changed = {member: value for member, value in given.items() if member != "PipelineName"}
            written = change(transaction, context, self._kind, row, {**row.spec, **changed})
            return {"PipelineArn": row.arn, "PipelineVersionId": self._add_version(transaction, context, written, aliases)}

        return await self._store.write(work)

    async def describe(self, context: Context, request: Document) -> Document:
        """The latest version, or the one with an id or alias."""
        if "PipelineVersionId" in request and "PipelineVersionAlias" in request:
            raise validation("PipelineVersionId and PipelineVersionAlias cannot be specified together.")

        def work(transaction: Transaction) -> Document:
            row = self._catalog.find(transaction, context.world, self._kind, request)
            return {**self._catalog.document(self._kind, row), **self._version_of(transaction, row, request).spec}

        answer: Document = self._described(await self._store.read(work))
        return answer

    async def update_version(self, context: Context, request: Document) -> Document:
        """Display name, description and aliases of one version."""

        def work(transaction: Transaction) -> Document:
            pipeline = self._catalog.named(transaction, context.world, self._kind, request["PipelineArn"])
            version = self._version_of(transaction, pipeline, request)
            operations = request.get("PipelineVersionAliasOperations", {})
            added, gone = operations.get("Add", []), set(operations.get("Remove", []))
            refuse_taken(children(transaction, pipeline, self._version.name), _ALIASES, added, version.key, "ConflictException")
            kept = [alias for alias in version.spec.get(_ALIASES, []) if alias not in gone and alias not in added]
            names = ("PipelineVersionDisplayName", "PipelineVersionDescription")
            given = {member: request[member] for member in names if member in request}
            change(transaction, context, self._version, version, {**version.spec, **given, _ALIASES: [*kept, *added]})
            return {"PipelineArn": pipeline.arn, "PipelineVersionId": request["PipelineVersionId"]}

        return await self._store.write(work)

    def _add_version(self, transaction: Transaction, context: Context, pipeline: Resource, aliases: list[str]) -> int:
        number = next_version(transaction, pipeline)
        content: dict[str, Any] = {member: pipeline.spec[member] for member in _VERSIONED if member in pipeline.spec}
        spec = {**content, "PipelineName": pipeline.name, "PipelineVersionId": number}
        if aliases:
            spec[_ALIASES] = aliases
        insert(transaction, self._catalog, new_resource(context, self._version, spec, PipelineArn=pipeline.arn))
        return number

    def _version_of(self, transaction: Transaction, pipeline: Resource, request: Document) -> Resource:
        found: Resource | None
        if "PipelineVersionAlias" in request:
            wanted = request["PipelineVersionAlias"]
            found = with_alias(children(transaction, pipeline, self._version.name), _ALIASES, wanted)
        else:
            wanted = request.get("PipelineVersionId", pipeline.status["LastVersion"])
            found = transaction.resources.get(pipeline.world, self._version.name, f"{pipeline.key}/{wanted}")
        if found is None:
            raise Fault("ResourceNotFound", f"Pipeline '{pipeline.arn}' has no version {wanted}.")
        return found

    async def _spec(self, request: Document) -> Document:
        spec = {member: value for member, value in request.items() if member not in ("Tags", self._token, _SOURCES[1])}
        if _SOURCES[1] in request:
            spec["PipelineDefinition"] = await self._read(request[_SOURCES[1]])
        if "PipelineDefinition" in spec:
            _check_definition(spec["PipelineDefinition"])
        return spec

    async def _read(self, location: Document) -> str:
        if self._objects is None:
            raise not_available("PipelineDefinitionS3Location")
        where = Location(location["Bucket"], location["ObjectKey"])
        try:
            return (await self._objects.read(where)).decode()
        except (FileNotFoundError, PermissionError, UnicodeDecodeError):
            raise validation(f"Unable to read the pipeline definition from s3://{where.bucket}/{where.key}.") from None


def _managed_by(document: Document, owner: str) -> bool:
    """AWS keeps pipelines of its own in an account; here all are the customer's."""
    return owner == "CUSTOMER"


def _check_definition(text: str) -> None:
    """DOC (CreatePipeline): the definition is a JSON document; what its steps mean is checked by whoever runs it."""
    try:
        document = json.loads(text)
    except ValueError:
        raise validation("Unable to parse pipeline definition: it is not valid JSON.") from None
    if not isinstance(document, dict) or not isinstance(document.get("Steps"), list):
        raise validation("Unable to parse pipeline definition: it has no list of Steps.")
