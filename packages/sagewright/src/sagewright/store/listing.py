"""One page of a kind's rows, by keyset: as fast on the thousandth page as on the first, and steady while rows come and go.

A search by a part of the name has up to four steps, because no single one is fast for every needle: ask the name index for a few
candidates and order those (a rare needle); when there are more, or no index, walk the first rows in order (a common needle fills
the page there); ask for many candidates (the matching rows are all far behind); walk on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, literal_column, select, tuple_

from sagewright.base.world import World
from sagewright.store.names import NameIndex, escaped, scope_of
from sagewright.store.sql import Row, Session, Statement
from sagewright.store.tables import RESOURCE_COLUMNS, resources

FEW = 500
"""Candidates that are ordered at once: with more, walking the rows in order may fill a page sooner."""
WALK = 2000
"""Rows that are looked at for a needle with more candidates: two milliseconds."""
MANY = 20_000
"""Candidates that are still better than walking on."""

_c = resources.c
_ORDERS = {"created": _c.created, "modified": _c.modified, "name": _c.name, "state": _c.state}
_FILTERS: Mapping[str, tuple[ColumnElement[bool], ...]] = {
    "parent": (_c.parent == bindparam("parent"), _c.parent != literal_column("''")),  # constant: see resources._BY_ARN
    "state": (_c.state == bindparam("state"),),
    "name_prefix": (_c.name >= bindparam("name_prefix"), _c.name < bindparam("name_end")),
}
_TIMES = {
    "created_after": (_c.created, True),
    "created_before": (_c.created, False),
    "modified_after": (_c.modified, True),
    "modified_before": (_c.modified, False),
}
_LAST_CHARACTER = "\U0010ffff"
_NAMED = func.lower(_c.name).like(bindparam("pattern"), escape="\\")


@dataclass(frozen=True, slots=True)
class Page:
    """What to list; ``filters`` holds the given ones by name, ``needle`` is empty when the name does not matter."""

    world: World
    kind: str
    filters: Mapping[str, object]
    needle: str
    order: str
    descending: bool
    after: tuple[object, ...] | None
    limit: int

    def __post_init__(self) -> None:
        if self.order not in _ORDERS:
            raise ValueError(f"no order {self.order!r}")
        if self.after is not None and len(self.after) != 2:
            raise ValueError("after is a pair: the order column's value and the key")


def page(session: Session, names: NameIndex, wanted: Page) -> list[Row]:
    """The rows (RESOURCE_COLUMNS) of one page."""
    shape = _Shape(frozenset(wanted.filters), wanted.order, wanted.descending, wanted.after is not None)
    values = _values(wanted)
    if not wanted.needle:
        return session.all(_plain(shape), values)
    values["pattern"] = f"%{escaped(wanted.needle)}%"
    scope = scope_of(wanted.world, wanted.kind)
    ids = names.nominate(session, scope, wanted.needle, FEW)
    if ids is None:
        edge = session.one(_edge(shape), {**values, "walk": WALK})
        if edge is None:
            return session.all(_walk(shape), values)
        found = session.all(_short_walk(shape), {**values, "edge_value": edge[0], "edge_key": edge[1]})
        if len(found) >= wanted.limit:
            return found
        ids = names.nominate(session, scope, wanted.needle, MANY)
    if ids is None:
        return session.all(_walk(shape), values)
    return session.all(_among(shape, names.among), {**values, "ids": ids})


def _values(wanted: Page) -> dict[str, object]:
    account, region = wanted.world
    values = {"account": account, "region": region, "kind": wanted.kind, "limit": wanted.limit, **wanted.filters}
    if "name_prefix" in values:
        values["name_end"] = f"{values['name_prefix']}{_LAST_CHARACTER}"
    if wanted.after is not None:
        values["after_value"], values["after_key"] = wanted.after
    return values


@dataclass(frozen=True, slots=True)
class _Shape:
    """What decides the text of a page's statement."""

    filters: frozenset[str]
    order: str
    descending: bool
    later: bool


@lru_cache(maxsize=512)
def _plain(shape: _Shape) -> Statement:
    return Statement(_page(shape).limit(bindparam("limit")))


@lru_cache(maxsize=512)
def _edge(shape: _Shape) -> Statement:
    """Where a short walk ends; no row when there are fewer."""
    return Statement(_ordered((_ORDERS[shape.order], _c.key), shape).limit(1).offset(bindparam("walk")))


@lru_cache(maxsize=512)
def _short_walk(shape: _Shape) -> Statement:
    place = tuple_(_ORDERS[shape.order], _c.key)
    edge = tuple_(bindparam("edge_value"), bindparam("edge_key"))
    near = place >= edge if shape.descending else place <= edge
    return Statement(_page(shape).where(near, _NAMED).limit(bindparam("limit")))


@lru_cache(maxsize=512)
def _walk(shape: _Shape) -> Statement:
    return Statement(_page(shape).where(_NAMED).limit(bindparam("limit")))


@lru_cache(maxsize=512)
def _among(shape: _Shape, among: ColumnElement[bool]) -> Statement:
    nominated = _page(shape, _c.account.concat("")).where(among, _NAMED)
    return Statement(nominated.limit(bindparam("limit")))


def _page(shape: _Shape, account: ColumnElement[str] = _c.account) -> Select[Any]:
    return _ordered(RESOURCE_COLUMNS, shape, account)


def _ordered(columns: Sequence[ColumnElement[Any]], shape: _Shape, account: ColumnElement[str] = _c.account) -> Select[Any]:
    """``account`` as an expression keeps the database from walking the order's index where few rows were nominated."""
    scope = (account == bindparam("account"), _c.region == bindparam("region"), _c.kind == bindparam("kind"))
    chosen = select(*columns).where(*scope)
    for name in sorted(shape.filters):
        chosen = chosen.where(*_filter(name, shape.order))
    if shape.later:
        place = tuple_(_ORDERS[shape.order], _c.key)
        last = tuple_(bindparam("after_value"), bindparam("after_key"))
        chosen = chosen.where(place < last if shape.descending else place > last)
    return _sorted(chosen, shape)


def _filter(name: str, order: str) -> tuple[ColumnElement[bool], ...]:
    """A time that is not the order must not choose the index either (hence ``+ 0``): it would sort all rows for each page."""
    if name in _TIMES:
        column, is_after = _TIMES[name]
        value = column if column is _ORDERS[order] else column + literal_column("0")
        return (value >= bindparam(name) if is_after else value < bindparam(name),)
    return _FILTERS[name]


def _sorted(chosen: Select[Any], shape: _Shape) -> Select[Any]:
    columns = (_ORDERS[shape.order], _c.key)
    return chosen.order_by(*(column.desc() if shape.descending else column.asc() for column in columns))
