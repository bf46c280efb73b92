"""AddTags, ListTags and DeleteTags on every resource that has an ARN."""

from __future__ import annotations

from sagewright.base.world import World
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.operation import Context
from sagewright.kernel.paging import Tokens, window
from sagewright.kernel.writing import refuse_many_tags, tag_mapping
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import validation

PAGE = 50
"""Tags per page of ListTags by default; SDK v2 never asks for a second page, so all 50 that there may be must be on the first."""


class TagOperations:
    """The three operations; each answers a resource that is not there with ValidationException and the kind's wording."""

    def __init__(self, catalog: Catalog, store: Store, tokens: Tokens) -> None:
        self._catalog, self._store, self._tokens = catalog, store, tokens

    async def add(self, context: Context, request: Document) -> Document:
        """AddTags: answers with all tags the resource has now."""
        wanted = tag_mapping(request["Tags"])

        def work(transaction: Transaction) -> Document:
            resource = self._resource(transaction, context.world, request["ResourceArn"])
            refuse_many_tags({**transaction.tags.get(resource.arn), **wanted})
            return {"Tags": _tag_list(transaction.tags.set(resource.arn, wanted))}

        return await self._store.write(work)

    async def remove(self, context: Context, request: Document) -> Document:
        """DeleteTags: keys that are not there do not matter."""

        def work(transaction: Transaction) -> Document:
            resource = self._resource(transaction, context.world, request["ResourceArn"])
            transaction.tags.remove(resource.arn, request["TagKeys"])
            return {}

        return await self._store.write(work)

    async def list(self, context: Context, request: Document) -> Document:
        """ListTags, in the order of their keys."""
        after = self._tokens.read(context.world, "ListTags", request)

        def work(transaction: Transaction) -> dict[str, str]:
            return transaction.tags.get(self._resource(transaction, context.world, request["ResourceArn"]).arn)

        found = _tag_list(await self._store.read(work))
        page, last = window(found, lambda tag: (tag["Key"], ""), after, False, int(request.get("MaxResults") or PAGE))
        answer: Document = {"Tags": page}
        if last is not None:
            answer["NextToken"] = self._tokens.make(context.world, "ListTags", request, last)
        return answer

    def _resource(self, transaction: Transaction, world: World, arn: str) -> Resource:
        kind = self._catalog.kind_of_arn(arn)
        row = transaction.resources.by_arn(arn) or transaction.resources.by_arn(arn.lower())
        if row is not None and row.world == world:
            return row
        if kind is None:
            raise validation(f"Invalid resource ARN: {arn}")
        raise validation(kind.missing.text.format(kind=kind.name, words=kind.words, name=arn.rpartition("/")[2], arn=arn))


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
