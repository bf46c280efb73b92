"""List of any kind: filters by member name, AWS's sort orders and defaults, keyset pages.

The model names the filters, and their documentation names the defaults; nothing of that is repeated here. Filters on the row's own
columns go to the store; filters on other members are applied to the documents, page by page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sagewright.base.world import World
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.kind import Kind
from sagewright.kernel.operation import Context
from sagewright.kernel.paging import Position, Tokens, window
from sagewright.kernel.projection import at
from sagewright.kernel.shapes import Shape, members
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import not_available

Accepts = Callable[[Document, Any], bool]

_COLUMNS = {
    "CreationTimeAfter": "created_after",
    "CreatedAfter": "created_after",
    "CreationTimeBefore": "created_before",
    "CreatedBefore": "created_before",
    "LastModifiedTimeAfter": "modified_after",
    "ModifiedTimeAfter": "modified_after",
    "LastModifiedTimeBefore": "modified_before",
    "ModifiedTimeBefore": "modified_before",
    "NameContains": "name_contains",
    "StatusEquals": "state",
}
_ORDERS = {"creationtime": "created", "createdate": "created", "createdtime": "created", "lastmodifiedtime": "modified"}
_DEFAULT = re.compile(r"default(?: value)?(?: for <code>\w+</code>)?(?: is|s to)(?: `| )?(?:<code>)?(\w+)", re.IGNORECASE)
_DEFAULT_ORDER = re.compile(
    r"<code>(\w+)</code>\s*\(the default is|By default,[^.]*listed in <code>(\w+)</code>", re.IGNORECASE
)
_NOT_FILTERS = frozenset({"NextToken", "MaxResults", "SortBy", "SortOrder", "CrossAccountFilterOption"})
PAGE = 10
"""Items per page where the documentation names no default."""

BATCH = 200
"""Rows read at a time when documents must be looked at one by one."""


class List:
    """See the module docstring; compiled per kind."""

    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        kind: Kind,
        operation: str,
        tokens: Tokens,
        extra: Mapping[str, Accepts] | None = None,
    ) -> None:
        request, answer = members(catalog.model.input(operation)), members(catalog.model.output(operation))
        self._catalog, self._store, self._kind, self._operation, self._tokens = catalog, store, kind, operation, tokens
        self._items = next(member for member, shape in answer.items() if shape.type_name == "list")
        self._summary = catalog.projections.of(
            answer[self._items].member, members(catalog.model.input(kind.create)), kind.aliases
        )
        self._parent = next((m for m in request if kind.parent and m.removesuffix("Equals") == kind.parent.member), "")
        shape = catalog.model.input(operation)
        self._parent_required = shape is not None and self._parent in shape.required_members
        self._columns, self._filters = _filters(kind, request, self._parent, extra or {})
        known = _known(catalog, kind, answer[self._items].member)
        self.refused_filters = frozenset(
            m for m in self._filters if m not in (extra or {}) and _path(kind, m)[0].partition(".")[0] not in known
        )
        self._sort_by = _default(request.get("SortBy"), "CreationTime")
        self._descending = _default(request.get("SortOrder"), "Descending").lower().startswith("desc")
        self._limit = int(_default(request.get("MaxResults"), str(PAGE)))

    async def __call__(self, context: Context, request: Document) -> Document:
        after = self._tokens.read(context.world, self._operation, request)
        rows, last = await self._store.read(lambda transaction: self.page(transaction, context.world, request, after))
        answer: Document = {self._items: [self._summary(self._catalog.document(self._kind, row)) for row in rows]}
        if last is not None:
            answer["NextToken"] = self._tokens.make(context.world, self._operation, request, last)
        return answer

    def page(
        self, transaction: Transaction, world: World, request: Document, after: Position | None
    ) -> tuple[list[Resource], Position | None]:
        """The rows of one page, and where the next one starts if there is one."""
        unknown = self.refused_filters & request.keys()
        if unknown:
            raise not_available(f"{self._operation} with {min(unknown)}")
        limit = int(request.get("MaxResults") or self._limit)
        order = str(request.get("SortBy") or self._sort_by)
        descending = str(request["SortOrder"]).lower().startswith("desc") if request.get("SortOrder") else self._descending
        column = self._column(order)
        given = {self._columns[member]: value for member, value in request.items() if member in self._columns and value != ""}
        if request.get(self._parent):
            given["parent"] = self._parent_key(transaction, world, str(request[self._parent]))
        accepts = [(self._filters[member], value) for member, value in request.items() if member in self._filters]
        read = _Reader(transaction, self._catalog, world, self._kind, given, accepts)
        if column:
            return read.in_order(column, descending, after, limit)
        return read.sorted_by(self._kind.aliases.get(order, order), descending, after, limit)

    def _column(self, sort_by: str) -> str:
        """The store's column for a SortBy value, or empty: NAME, HubContentName and CREATION_TIME are all of them columns."""
        plain = sort_by.replace("_", "").lower()
        own = self._kind.name.lower()
        if plain in ("name", f"{own}name"):
            return "name"
        if plain in ("status", f"{own}status") and self._kind.status:
            return "state"
        return _ORDERS.get(plain, "")

    def _parent_key(self, transaction: Transaction, world: World, value: str) -> str:
        """A parent that the operation requires must exist; one that only filters need not."""
        assert self._kind.parent is not None
        above = self._catalog[self._kind.parent.kind]
        if self._parent_required or value.startswith("arn:"):
            return self._catalog.named(transaction, world, above, value).key
        return value.lower() if above.caseless else value


def page_limit(request: Document) -> int:
    """MaxResults, or the usual default."""
    return int(request.get("MaxResults") or PAGE)


class _Reader:
    """One listing under way."""

    def __init__(
        self,
        transaction: Transaction,
        catalog: Catalog,
        world: World,
        kind: Kind,
        given: Mapping[str, Any],
        accepts: Iterable[tuple[Accepts, Any]],
    ) -> None:
        self._resources, self._catalog, self._world, self._kind = transaction.resources, catalog, world, kind
        self._given, self._accepts = given, tuple(accepts)

    def in_order(
        self, column: str, descending: bool, after: Position | None, limit: int
    ) -> tuple[list[Resource], Position | None]:
        """By a column of the store: reads on until the page is full and one more row shows that there is a next page."""
        found: list[Resource] = []
        batch = BATCH if self._accepts else limit + 1
        while len(found) <= limit:
            rows = self._query(column, descending, after, batch)
            found.extend(row for row in rows if self._accepted(row))
            if len(rows) < batch:
                break
            after = (getattr(rows[-1], column), rows[-1].key)
        page = found[:limit]
        return page, (getattr(page[-1], column), page[-1].key) if len(found) > limit else None

    def sorted_by(
        self, path: str, descending: bool, after: Position | None, limit: int
    ) -> tuple[list[Resource], Position | None]:
        """By any other member: all rows are read and sorted here."""
        rows: list[Resource] = []
        start: Position | None = None
        while True:
            batch = self._query("created", True, start, BATCH)
            rows.extend(row for row in batch if self._accepted(row))
            if len(batch) < BATCH:
                break
            start = (batch[-1].created, batch[-1].key)
        return window(rows, lambda row: (at(self._catalog.document(self._kind, row), path), row.key), after, descending, limit)

    def _query(self, column: str, descending: bool, after: Position | None, limit: int) -> list[Resource]:
        return self._resources.query(
            self._world, self._kind.name, order=column, descending=descending, after=after, limit=limit, **self._given
        )

    def _accepted(self, row: Resource) -> bool:
        if not self._accepts:
            return True
        document = self._catalog.document(self._kind, row)
        return all(accepts(document, value) for accepts, value in self._accepts)


def _filters(
    kind: Kind, request: Mapping[str, Shape], parent: str, extra: Mapping[str, Accepts]
) -> tuple[dict[str, str], dict[str, Accepts]]:
    """Which request members are the store's columns, and how the others look at a document."""
    columns = {m: column for m, column in _COLUMNS.items() if m in request and m not in extra}
    if kind.status:
        columns |= {m: "state" for m in (kind.status, f"{kind.status}Equals") if m in request and m not in extra}
    else:
        columns.pop("StatusEquals", None)
    rest = [m for m in request if m not in columns and m not in _NOT_FILTERS and m != parent]
    return columns, {m: extra.get(m) or _document_filter(kind, m) for m in rest}


def _document_filter(kind: Kind, member: str) -> Accepts:
    """EndpointNameEquals, ModelNameContains, PipelineNamePrefix, HubContentType: the suffix says how, the rest where."""
    path, test = _path(kind, member)
    return lambda document, value: test(at(document, path), value)


def _path(kind: Kind, member: str) -> tuple[str, Callable[[Any, Any], bool]]:
    suffix = next((suffix for suffix in _TESTS if member.endswith(suffix) and member != suffix), "")
    bare = member.removesuffix(suffix)
    return kind.aliases.get(member) or kind.aliases.get(bare) or bare, _TESTS.get(suffix, _equals)


def _known(catalog: Catalog, kind: Kind, item: Shape) -> frozenset[str]:
    """Members that a document of the kind can have; a filter on anything else is one that nobody has thought about."""
    shapes = (catalog.model.input(kind.create), catalog.model.output(kind.describe), catalog.model.output(kind.create))
    summary = members(item) if item.type_name == "structure" else ()
    return frozenset([*(member for shape in shapes for member in members(shape)), *summary, *kind.identity, kind.status])


def _equals(found: Any, value: Any) -> bool:
    return value in found if isinstance(found, list) else bool(found == value)


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, list):
        return any(_contains(each, value) for each in found)
    return isinstance(found, str) and str(value).lower() in found.lower()


def _prefix(found: Any, value: Any) -> bool:
    return isinstance(found, str) and found.startswith(str(value))


def _after(found: Any, value: Any) -> bool:
    return isinstance(found, int | float) and found >= value


def _before(found: Any, value: Any) -> bool:
    return isinstance(found, int | float) and found < value


_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": _equals,
    "Contains": _contains,
    "Prefix": _prefix,
    "After": _after,
    "Before": _before,
}


def _default(shape: Shape | None, otherwise: str) -> str:
    """What the documentation of a member says that it is when it is not given."""
    if shape is None:
        return otherwise
    found = _DEFAULT.search(shape.documentation) or _DEFAULT_ORDER.search(shape.documentation)
    value = next((group for group in found.groups() if group), otherwise) if found else otherwise
    valid = value.isdigit() if shape.type_name == "integer" else not shape.enum or value in shape.enum
    return value if valid else otherwise
