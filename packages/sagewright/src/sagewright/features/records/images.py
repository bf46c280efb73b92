"""Versions of Studio images: numbered from 1 within an image, found by number, alias or as the latest."""

from __future__ import annotations

from sagewright.features.records.versions import children, next_version, refuse_taken, with_alias
from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.shapes import token_member
from sagewright.kernel.writing import change, insert, new_resource, once, remove
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import validation

_ALIASES = "Aliases"


class ImageVersions:
    """Operations on ImageVersion."""

    def __init__(self, engine: Engine) -> None:
        self._catalog, self._store = engine.catalog, engine.store
        self._kind, self._image = engine.catalog["ImageVersion"], engine.catalog["Image"]
        self._token = token_member(engine.model.input("CreateImageVersion"))
        self._described = engine.catalog.projection(self._kind, "DescribeImageVersion")

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {
            "CreateImageVersion": self.create,
            "DescribeImageVersion": self.describe,
            "UpdateImageVersion": self.update,
            "DeleteImageVersion": self.delete,
            "ListAliases": self.aliases,
        }

    async def create(self, context: Context, request: Document) -> Document:
        """The base image is taken as it is: an image URI is only looked up when something runs it."""

        def work(transaction: Transaction) -> Document:
            token = request.get(self._token)
            return once(
                transaction, context, "CreateImageVersion", token, request, lambda: self._insert(transaction, context, request)
            )

        return await self._store.write(work)

    async def describe(self, context: Context, request: Document) -> Document:
        """By Version, by Alias, else the latest."""
        row = await self._store.read(lambda transaction: self._find(transaction, context, request))
        answer: Document = self._described(self._catalog.document(self._kind, row))
        return answer

    async def update(self, context: Context, request: Document) -> Document:
        """Aliases are added and removed, every other member replaced."""

        def work(transaction: Transaction) -> Document:
            row = self._find(transaction, context, request)
            added, removed = request.get("AliasesToAdd", []), set(request.get("AliasesToDelete", []))
            refuse_taken(self._versions(transaction, context, request), _ALIASES, added, row.key, "ResourceInUse")
            kept = [alias for alias in row.spec.get(_ALIASES, []) if alias not in removed and alias not in added]
            found_by = {"ImageName", "Version", "Alias", "AliasesToAdd", "AliasesToDelete"}
            given = {member: value for member, value in request.items() if member not in found_by}
            change(transaction, context, self._kind, row, {**row.spec, **given, _ALIASES: [*kept, *added]})
            return {"ImageVersionArn": row.arn}

        return await self._store.write(work)

    async def delete(self, context: Context, request: Document) -> Document:
        """By Version or Alias, one of which must be given."""
        if "Version" not in request and "Alias" not in request:
            raise validation("Either Version or Alias must be specified.")

        def work(transaction: Transaction) -> Document:
            remove(transaction, self._catalog, self._find(transaction, context, request))
            return {}

        return await self._store.write(work)

    async def aliases(self, context: Context, request: Document) -> Document:
        """ListAliases: of one version, the version with an alias, or all; there are too few of them for pages."""

        def work(transaction: Transaction) -> list[str]:
            if "Version" in request or "Alias" in request:
                return list(self._find(transaction, context, request).spec.get(_ALIASES, []))
            return [alias for row in self._versions(transaction, context, request) for alias in row.spec.get(_ALIASES, [])]

        return {"SageMakerImageVersionAliases": sorted(await self._store.read(work))}

    def _insert(self, transaction: Transaction, context: Context, request: Document) -> Document:
        image = self._catalog.find(transaction, context.world, self._image, request)
        spec = {member: value for member, value in request.items() if member != self._token}
        refuse_taken(children(transaction, image, self._kind.name), _ALIASES, spec.get(_ALIASES, ()), "", "ResourceInUse")
        number = next_version(transaction, image)
        status = {"Version": number, "ImageArn": image.arn, "ContainerImage": spec["BaseImage"]}
        row = insert(transaction, self._catalog, new_resource(context, self._kind, spec, **status))
        return {"ImageVersionArn": row.arn}

    def _versions(self, transaction: Transaction, context: Context, request: Document) -> list[Resource]:
        image = self._catalog.find(transaction, context.world, self._image, request)
        return children(transaction, image, self._kind.name)

    def _find(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        rows = self._versions(transaction, context, request)
        if "Alias" in request:
            found = with_alias(rows, _ALIASES, request["Alias"])
            wanted = request["Alias"]
        elif "Version" in request:
            found = next((row for row in rows if row.status["Version"] == request["Version"]), None)
            wanted = str(request["Version"])
        else:
            found = max(rows, key=lambda row: int(row.status["Version"]), default=None)
            wanted = "latest"
        if found is None:
            raise self._catalog.missing(self._kind, context.world, f"{request['ImageName']}/{wanted}")
        return found
