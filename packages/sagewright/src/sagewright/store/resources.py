"""The resource table, inside one transaction: point reads, versioned writes, pages, and what is due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, bindparam, delete, func, insert, literal_column, select, update

from sagewright.base.world import World
from sagewright.store.listing import Page, page
from sagewright.store.names import NameIndex, scope_of
from sagewright.store.rows import Exists, Identity, Resource, Stale
from sagewright.store.sql import Row, Session, Statement
from sagewright.store.tables import RESOURCE_COLUMNS, resources, tags

_c = resources.c
_IS = (
    _c.account == bindparam("account"),
    _c.region == bindparam("region"),
    _c.kind == bindparam("kind"),
    _c.key == bindparam("key"),
)
_GET = Statement(select(*RESOURCE_COLUMNS).where(*_IS))
# Constants in the text: with bound ones SQLite compiles the statement anew each time, to see whether the partial index applies.
_NONE: ColumnElement[str] = literal_column("''")
_ONE: ColumnElement[int] = literal_column("1")
_BY_ARN = Statement(select(*RESOURCE_COLUMNS).where(_c.arn == bindparam("arn"), _c.arn != _NONE).order_by(_c.id).limit(_ONE))
_FIND = Statement(select(_c.id, _c.version, _c.kind, _c.name, _c.created).where(*_IS))
_INSERT = Statement(
    insert(resources).values({column.name: bindparam(column.name) for column in RESOURCE_COLUMNS}).returning(_c.id)
)
_CHANGED = ("arn", "name", "state", "parent", "spec", "status", "version", "modified", "due")
_SAVE = Statement(update(resources).where(_c.id == bindparam("row")).values({name: bindparam(name) for name in _CHANGED}))
_DELETE = Statement(delete(resources).where(_c.id == bindparam("row")))
_UNTAG = Statement(delete(tags).where(tags.c.arn == bindparam("arn")))


class Resources:
    """The resource table, inside one transaction."""

    def __init__(self, session: Session, names: NameIndex) -> None:
        self._session = session
        self._names = names
        self.touched: list[Identity] = []

    def get(self, world: World, kind: str, key: str) -> Resource | None:
        """The row, or None."""
        values = {"account": world.account, "region": world.region, "kind": kind, "key": key}
        row = self._session.one(_GET, values)
        return None if row is None else resource_of(row)

    def by_arn(self, arn: str) -> Resource | None:
        """The row with this ARN, in whatever world, or None."""
        row = self._session.one(_BY_ARN, {"arn": arn})
        return None if row is None else resource_of(row)

    def insert(self, resource: Resource) -> Resource:
        """Writes a new row with version 1; raises Exists."""
        if self._find(resource) is not None:
            raise Exists(f"{resource.kind} {resource.key}")
        values = _values(resource, 1)
        row = self._session.one(_INSERT, values)
        assert row is not None
        self._names.add(self._session, row[0], scope_of(resource.world, resource.kind), resource.name)
        self.touched.append(resource.identity)
        return _with(resource, 1, resource.created)

    def save(self, resource: Resource) -> Resource:
        """Writes a changed row: replaces everything but identity and created; returns it with version + 1; raises Stale."""
        row, name, created = self._current(resource)
        values = _values(resource, resource.version + 1)
        self._session.run(_SAVE, {"row": row, **{column: values[column] for column in _CHANGED}})
        if name != resource.name:
            scope = scope_of(resource.world, resource.kind)
            self._names.remove(self._session, row, scope, name)
            self._names.add(self._session, row, scope, resource.name)
        self.touched.append(resource.identity)
        return _with(resource, resource.version + 1, created)

    def delete(self, resource: Resource) -> None:
        """Removes the row and its tags; raises Stale when the version at hand is old."""
        row, name, _ = self._current(resource)
        self._session.run(_DELETE, {"row": row})
        self._names.remove(self._session, row, scope_of(resource.world, resource.kind), name)
        if resource.arn:
            self._session.run(_UNTAG, {"arn": resource.arn})
        self.touched.append(resource.identity)

    def query(
        self,
        world: World,
        kind: str,
        *,
        parent: str | None = None,
        state: str | None = None,
        name_contains: str | None = None,
        name_prefix: str | None = None,
        created_after: float | None = None,
        created_before: float | None = None,
        modified_after: float | None = None,
        modified_before: float | None = None,
        order: str = "created",
        descending: bool = True,
        after: Sequence[object] | None = None,
        limit: int = 100,
    ) -> list[Resource]:
        """One page: ``order`` is created, modified, name or state; ``after`` is (order value, key) of the last row before it.

        ``name_contains`` folds the case of ASCII letters; ``name_prefix`` does not.
        The *after* times are inclusive, the *before* times exclusive. Raises ValueError for another order.
        """
        filters = {
            "parent": parent,
            "state": state,
            "name_prefix": name_prefix or None,
            "created_after": created_after,
            "created_before": created_before,
            "modified_after": modified_after,
            "modified_before": modified_before,
        }
        given = {name: value for name, value in filters.items() if value is not None}
        wanted = Page(world, kind, given, name_contains or "", order, descending, tuple(after) if after else None, limit)
        return [resource_of(row) for row in page(self._session, self._names, wanted)]

    def due(self, kinds: Iterable[str], now: float, limit: int) -> list[Resource]:
        """Rows whose due time has come, longest waiting first, over all worlds."""
        names = sorted(set(kinds))
        if not names:
            return []
        values = {**_numbered(names), "now": now, "limit": limit}
        return [resource_of(row) for row in self._session.all(_due(len(names)), values)]

    def next_due(self, kinds: Iterable[str]) -> float | None:
        """The earliest due time there is."""
        names = sorted(set(kinds))
        row = self._session.one(_next_due(len(names)), _numbered(names)) if names else None
        return None if row is None else row[0]

    def unsettled(self, kinds: Iterable[str]) -> list[tuple[Identity, float]]:
        """Every row that has a due time, and that time."""
        names = sorted(set(kinds))
        rows = self._session.all(_unsettled(len(names)), _numbered(names)) if names else []
        return [((World(account, region), kind, key), due) for account, region, kind, key, due in rows]

    def count(self, world: World, kind: str) -> int:
        """How many rows of a kind there are; reads them all in the index."""
        row = self._session.one(_COUNT, {"account": world.account, "region": world.region, "kind": kind})
        assert row is not None
        return int(row[0])

    def _find(self, resource: Resource) -> Row | None:
        account, region = resource.world
        return self._session.one(_FIND, {"account": account, "region": region, "kind": resource.kind, "key": resource.key})

    def _current(self, resource: Resource) -> tuple[int, str, float]:
        found = self._find(resource)
        if found is None or found[1] != resource.version:
            raise Stale(f"{resource.kind} {resource.key}: version {resource.version} is not the last one")
        return found[0], found[3], found[4]


_COUNT = Statement(select(func.count()).select_from(resources).where(*_IS[:3]))


def resource_of(row: Row) -> Resource:
    """The value of a row of RESOURCE_COLUMNS."""
    account, region, kind, key, arn, name, state, parent, spec, status, version, created, modified, due = row
    loads = orjson.loads
    return Resource(
        World(account, region), kind, key, arn, name, state, parent, loads(spec), loads(status), version, created, modified, due
    )


def _values(resource: Resource, version: int) -> dict[str, Any]:
    return {
        "account": resource.world.account,
        "region": resource.world.region,
        "kind": resource.kind,
        "key": resource.key,
        "arn": resource.arn,
        "name": resource.name,
        "state": resource.state,
        "parent": resource.parent,
        "spec": orjson.dumps(resource.spec).decode(),
        "status": orjson.dumps(resource.status).decode(),
        "version": version,
        "created": resource.created,
        "modified": resource.modified,
        "due": resource.due,
    }


def _with(resource: Resource, version: int, created: float) -> Resource:
    return Resource(
        resource.world, resource.kind, resource.key, resource.arn, resource.name, resource.state, resource.parent,
        resource.spec, resource.status, version, created, resource.modified, resource.due,
    )  # fmt: skip


def _numbered(kinds: Sequence[str]) -> dict[str, str]:
    return {f"kind{index}": kind for index, kind in enumerate(kinds)}


@lru_cache
def _due(kinds: int) -> Statement:
    return Statement(_waiting(kinds, *RESOURCE_COLUMNS).where(_c.due <= bindparam("now")).limit(bindparam("limit")))


@lru_cache
def _next_due(kinds: int) -> Statement:
    return Statement(_waiting(kinds, _c.due).limit(1))


@lru_cache
def _unsettled(kinds: int) -> Statement:
    return Statement(_waiting(kinds, _c.account, _c.region, _c.kind, _c.key, _c.due))


def _waiting(kinds: int, *columns: Any) -> Select[Any]:
    one_of = _c.kind.in_([bindparam(f"kind{index}") for index in range(kinds)])
    return select(*columns).where(_c.due.is_not(None), one_of).order_by(_c.due)
