"""Repositories: rows of the store. What was pushed to one lies in the registry."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sagewright.base.world import World
from sagewright.compute.oci.layout import Layout
from sagewright.kernel.operation import Context
from sagewright.neighbours.ecr import rows
from sagewright.neighbours.requests import Handlers, refuse
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

_SHOWN = ("imageTagMutability", "imageScanningConfiguration", "encryptionConfiguration")
_MUTABILITY = ("MUTABLE", "IMMUTABLE")


class Repositories:
    """The operations on repositories; ``authority`` is the registry's address, as it stands in a repository's URI."""

    def __init__(self, store: Store, layout: Layout, authority: str) -> None:
        self._store = store
        self._layout = layout
        self._authority = authority

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "CreateRepository": self.create,
            "DescribeRepositories": self.describe,
            "DeleteRepository": self.delete,
            "PutImageTagMutability": self.put_mutability,
            "PutImageScanningConfiguration": self.put_scanning,
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.list_tags,
        }

    async def create(self, context: Context, request: Document) -> Document:
        """CreateRepository. Scanning is kept as asked for and never done; everything lies unencrypted by key."""
        _check_mutability(request)
        if request.get("encryptionConfiguration", {}).get("encryptionType", "AES256") != "AES256":
            raise Fault(rows.INVALID, "Sagewright does not encrypt images by key; encryptionType must be AES256.")
        tags = rows.tags_of(request.get("tags", []))
        rows.refuse_many(tags)
        world, name = rows.world_of(context, request), request["repositoryName"]
        spec = {
            "imageTagMutability": request.get("imageTagMutability", "MUTABLE"),
            "imageScanningConfiguration": {
                "scanOnPush": request.get("imageScanningConfiguration", {}).get("scanOnPush", False)
            },
            "encryptionConfiguration": {"encryptionType": "AES256"},
        }

        def work(transaction: Transaction) -> Resource:
            if transaction.resources.get(world, rows.KIND, name) is not None:
                raise rows.exists(world, name)
            row = transaction.resources.insert(
                Resource(world, rows.KIND, name, _arn(world, name), name, spec=spec, created=context.now, modified=context.now)
            )
            transaction.tags.set(row.arn, tags)
            return row

        row = await self._store.write(work)
        # What an earlier one of that name left: a push under way while it was deleted, a server that was killed.
        await asyncio.to_thread(self._layout.repository(world, name).remove)
        return {"repository": self._described(row)}

    async def describe(self, context: Context, request: Document) -> Document:
        """DescribeRepositories: those that are named, or a page of all."""
        world = rows.world_of(context, request)

        def work(transaction: Transaction) -> list[Resource]:
            if request.get("repositoryNames"):
                return [rows.found(transaction, world, name) for name in request["repositoryNames"]]
            return transaction.resources.query(world, rows.KIND, order="name", descending=False, limit=1_000_000)

        page, token = rows.page(await self._store.read(work), request)
        return {"repositories": [self._described(row) for row in page], **token}

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteRepository; with ``force`` also one that holds images."""
        world, name = rows.world_of(context, request), request["repositoryName"]
        stored = self._layout.repository(world, name)

        def work(transaction: Transaction) -> Resource:
            row = rows.found(transaction, world, name)
            if stored.digests() and not request.get("force"):
                raise rows.not_empty(world, name)
            transaction.tags.remove(row.arn, list(transaction.tags.get(row.arn)))
            transaction.resources.delete(row)
            return row

        row = await self._store.write(work)
        await asyncio.to_thread(stored.remove)
        return {"repository": self._described(row)}

    async def put_mutability(self, context: Context, request: Document) -> Document:
        """PutImageTagMutability; the front holds pushes to it."""
        _check_mutability(request)
        return await self._put(context, request, "imageTagMutability", request["imageTagMutability"])

    async def put_scanning(self, context: Context, request: Document) -> Document:
        """PutImageScanningConfiguration: kept."""
        wanted = {"scanOnPush": request["imageScanningConfiguration"].get("scanOnPush", False)}
        return await self._put(context, request, "imageScanningConfiguration", wanted)

    async def tag(self, context: Context, request: Document) -> Document:
        """TagResource."""
        tags = rows.tags_of(request["tags"])

        def work(transaction: Transaction) -> Document:
            rows.refuse_many(transaction.tags.set(rows.by_arn(transaction, request["resourceArn"]).arn, tags))
            return {}

        return await self._store.write(work)

    async def untag(self, context: Context, request: Document) -> Document:
        """UntagResource."""

        def work(transaction: Transaction) -> Document:
            transaction.tags.remove(rows.by_arn(transaction, request["resourceArn"]).arn, request["tagKeys"])
            return {}

        return await self._store.write(work)

    async def list_tags(self, context: Context, request: Document) -> Document:
        """ListTagsForResource."""
        tags = await self._store.read(
            lambda transaction: transaction.tags.get(rows.by_arn(transaction, request["resourceArn"]).arn)
        )
        return {"tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    async def _put(self, context: Context, request: Document, member: str, value: object) -> Document:
        world, name = rows.world_of(context, request), request["repositoryName"]

        def work(transaction: Transaction) -> None:
            row = rows.found(transaction, world, name)
            transaction.resources.save(replace(row, spec={**row.spec, member: value}, modified=context.now))

        await self._store.write(work)
        return {"registryId": world.account, "repositoryName": name, member: value}

    def _described(self, row: Resource) -> Document:
        return {
            "repositoryArn": row.arn,
            "registryId": row.world.account,
            "repositoryName": row.key,
            "repositoryUri": f"{self._authority}/{row.key}",
            "createdAt": row.created,
            **{member: row.spec[member] for member in _SHOWN},
        }


def _check_mutability(request: Document) -> None:
    refuse(request, rows.INVALID, "imageTagMutabilityExclusionFilters")
    if request.get("imageTagMutability", "MUTABLE") not in _MUTABILITY:
        raise Fault(rows.INVALID, "Sagewright has no exclusions from tag mutability; use MUTABLE or IMMUTABLE.")


def _arn(world: World, name: str) -> str:
    return f"arn:aws:ecr:{world.region}:{world.account}:repository/{name}"
