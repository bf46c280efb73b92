"""Search over every kind that Search knows, and the suggestions of property names that a search box makes from it.

Rows are read and looked at one by one: the filters reach into documents, and a laptop has few enough of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sagewright.base.world import World
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.expressions import check, matches, mentions, values
from sagewright.kernel.kind import Kind
from sagewright.kernel.operation import Context
from sagewright.kernel.paging import Position, Tokens, window
from sagewright.kernel.projection import Project
from sagewright.kernel.shapes import Shape, members
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import validation

PAGE = 10
"""Results per page by default (SageMaker's Search answers ten)."""

BATCH = 500


class Search:
    """The operation Search."""

    def __init__(self, catalog: Catalog, store: Store, tokens: Tokens, kinds: Iterable[Kind]) -> None:
        self._catalog, self._store, self._tokens = catalog, store, tokens
        self._views = {kind.search.resource: kind for kind in kinds if kind.search}
        record = members(members(catalog.model.output("Search"))["Results"].member)
        self._projects: Mapping[str, Project] = {
            kind.name: catalog.projections.of(record[kind.search.member], None, kind.aliases)
            for kind in self._views.values()
            if kind.search
        }

    async def __call__(self, context: Context, request: Document) -> Document:
        kind = self._views.get(request["Resource"])
        if kind is None:
            raise validation(f"Search is not supported for the resource {request['Resource']}.")
        expression = _with_visibility(request)
        check(expression)
        after = self._tokens.read(context.world, "Search", request)
        return await self._store.read(
            lambda transaction: self._page(transaction, context.world, kind, request, expression, after)
        )

    def _page(
        self,
        transaction: Transaction,
        world: World,
        kind: Kind,
        request: Document,
        expression: Document,
        after: Position | None,
    ) -> Document:
        assert kind.search is not None
        found = self._found(transaction, world, kind, expression)
        order = request.get("SortBy") or "LastModifiedTime"
        page, last = window(
            found,
            lambda hit: (next(iter(values(hit[1], order)), None), hit[0].key),
            after,
            request.get("SortOrder") != "Ascending",
            int(request.get("MaxResults") or PAGE),
        )
        records = [{kind.search.member: self._projects[kind.name](self._tagged(transaction, row, doc))} for row, doc in page]
        answer: Document = {"Results": records, "TotalHits": {"Value": len(found), "Relation": "EqualTo"}}
        if last is not None:
            answer["NextToken"] = self._tokens.make(world, "Search", request, last)
        return answer

    def _found(
        self, transaction: Transaction, world: World, kind: Kind, expression: Document
    ) -> list[tuple[Resource, Document]]:
        assert kind.search is not None
        tagged = mentions(expression, "Tags")
        found: list[tuple[Resource, Document]] = []
        after: tuple[float, str] | None = None
        while True:
            rows = transaction.resources.query(world, kind.name, order="created", after=after, limit=BATCH)
            for row in rows:
                document = self._catalog.document(kind, row)
                if tagged:
                    document = self._tagged(transaction, row, document)
                if kind.search.enrich:
                    document = kind.search.enrich(transaction, row, document)
                if matches(expression, document):
                    found.append((row, document))
            if len(rows) < BATCH:
                return found
            after = (rows[-1].created, rows[-1].key)

    def _tagged(self, transaction: Transaction, row: Resource, document: Document) -> Document:
        if "Tags" in document or not row.arn:
            return document
        tags = [{"Key": key, "Value": value} for key, value in transaction.tags.get(row.arn).items()]
        return {**document, "Tags": tags} if tags else document


class Suggestions:
    """GetSearchSuggestions: property names of a resource that begin with what was typed."""

    def __init__(self, catalog: Catalog) -> None:
        record = members(members(catalog.model.output("Search"))["Results"].member)
        self._names: dict[str, list[str]] = {}
        for kind in catalog:
            if kind.search:
                self._names[kind.search.resource] = sorted(_paths(record[kind.search.member]))

    async def __call__(self, context: Context, request: Document) -> Document:
        hint = request.get("SuggestionQuery", {}).get("PropertyNameQuery", {}).get("PropertyNameHint", "")
        names = [name for name in self._names.get(request["Resource"], ()) if name.lower().startswith(hint.lower())]
        return {"PropertyNameSuggestions": [{"PropertyName": name} for name in names[:10]]}


def _with_visibility(request: Document) -> Document:
    """VisibilityConditions narrow a search further: each is a path and the value it must have."""
    conditions = [{"Name": item["Key"], "Value": item["Value"]} for item in request.get("VisibilityConditions", ())]
    given: Document = request.get("SearchExpression") or {}
    return {"Filters": conditions, "SubExpressions": [given] if given else []} if conditions else given


def _paths(shape: Any, depth: int = 0) -> Iterable[str]:
    for name, member in members(shape).items():
        yield name
        inner: Shape = member.member if member.type_name == "list" else member
        if inner.type_name == "structure" and depth < 2:
            for path in _paths(inner, depth + 1):
                yield f"{name}.{path}"
