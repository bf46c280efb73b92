"""Volume tables, inside one transaction: append-only records in named series (log lines of a stream, points of a metric).

A series is named by world, kind, parent and name, for example (world, "logs", group, stream). Its records are read in order of
time, then of arrival. All times are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, delete, insert, select, tuple_, update

from sagewright.base.world import World
from sagewright.store.sql import Row, Session, Statement
from sagewright.store.tables import records, series

_s = series.c
_r = records.c
_RECORD = (_r.at, _r.sequence, _r.written, _r.body, _r.series)
_NAMES = ("account", "region", "kind", "parent", "name")
_COLUMNS = tuple(series.c)
_SCOPE = tuple(_s[name] == bindparam(name) for name in _NAMES[:3])
_GET = Statement(select(*_COLUMNS).where(*(_s[name] == bindparam(name) for name in _NAMES)))
_MAKE = Statement(
    insert(series).values({name: bindparam(name) for name in (*_NAMES, "created", "last_at", "sequence")}).returning(*_COLUMNS)
)
_ENDS = ("first_at", "last_at", "last_written", "sequence")
_MARK = Statement(update(series).where(_s.id == bindparam("series_id")).values({name: bindparam(name) for name in _ENDS}))
_REMOVE = Statement(delete(series).where(_s.id == bindparam("series_id")))
_BELOW = (*_SCOPE, _s.parent == bindparam("parent"))
_EXPIRED = Statement(select(*_COLUMNS).where(*_BELOW, _s.first_at < bindparam("before")).limit(bindparam("limit")))
_APPEND = Statement(insert(records).values({column.name: bindparam(column.name) for column in records.c}))
_EMPTY = Statement(delete(records).where(_r.series == bindparam("series_id")))
_TRIM = Statement(delete(records).where(_r.series == bindparam("series_id"), _r.at < bindparam("before")))
_CUT = Statement(
    select(_r.at)
    .where(_r.series == bindparam("series_id"), _r.at < bindparam("before"))
    .order_by(_r.at, _r.sequence)
    .limit(1)
    .offset(bindparam("most"))
)
_FIRST = Statement(select(_r.at).where(_r.series == bindparam("series_id")).order_by(_r.at).limit(1))


@dataclass(frozen=True, slots=True)
class Series:
    """A named sequence. ``sequence`` counts every record it ever got; before the first, ``last_at`` is 0, other times None."""

    id: int
    world: World
    kind: str
    parent: str
    name: str
    created: int
    first_at: int | None
    last_at: int
    last_written: int | None
    sequence: int


class Record(NamedTuple):
    """One entry: when it says it happened, its number in its series, when it was stored, what it is."""

    at: int
    sequence: int
    written: int
    body: bytes
    series: int


class Records:
    """Series and their records."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def series(self, world: World, kind: str, parent: str, name: str) -> Series | None:
        """The series, or None."""
        row = self._session.one(_GET, _named(world, kind, parent, name))
        return None if row is None else _series_of(row)

    def open(self, world: World, kind: str, parent: str, name: str, now: int) -> Series:
        """The series, made when it is missing."""
        found = self.series(world, kind, parent, name)
        if found is not None:
            return found
        row = self._session.one(_MAKE, {**_named(world, kind, parent, name), "created": now, "last_at": 0, "sequence": 0})
        assert row is not None
        return _series_of(row)

    def find(
        self,
        world: World,
        kind: str,
        parent: str | None = None,
        *,
        prefix: str = "",
        order: str = "name",
        descending: bool = False,
        after: Sequence[object] | None = None,
        limit: int = 100,
    ) -> list[Series]:
        """One page of series: ``order`` is name or last_at; ``after`` is (order value, parent, name) of the last one before."""
        statement = _listed(parent is not None, bool(prefix), order, descending, after is not None)
        values: dict[str, object] = {"account": world.account, "region": world.region, "kind": kind, "limit": limit}
        values |= {"parent": parent} if parent is not None else {}
        values |= {"prefix": prefix, "prefix_end": prefix + "\U0010ffff"} if prefix else {}
        values |= dict(zip(("after_value", "after_parent", "after_name"), after, strict=True)) if after is not None else {}
        return [_series_of(row) for row in self._session.all(statement, values)]

    def append(self, to: Series, entries: Iterable[tuple[int, bytes]], written: int) -> Series:
        """Adds records as (at, body); returns the series as it is now. ``to`` must be fresh: read in this transaction."""
        sequence, first, last = to.sequence, to.first_at, to.last_at
        for at, body in entries:
            sequence += 1
            first = at if first is None else min(first, at)
            last = max(last, at)
            self._session.run(_APPEND, {"series": to.id, "at": at, "sequence": sequence, "written": written, "body": body})
        if sequence == to.sequence:
            return to
        return self._mark(replace(to, first_at=first, last_at=last, last_written=written, sequence=sequence))

    def scan(
        self,
        of: Sequence[Series],
        *,
        start: int | None = None,
        end: int | None = None,
        after: tuple[int, int, int] | None = None,
        descending: bool = False,
        limit: int = 1000,
    ) -> list[Record]:
        """Records with start <= at < end, by (at, series, sequence); ``after`` is that triple of the last one seen."""
        if not of:
            return []
        statement = _scanned(len(of), start is not None, end is not None, after is not None, descending)
        values: dict[str, object] = {f"series{index}": one.id for index, one in enumerate(of)}
        values |= {"start": start, "end": end, "limit": limit}
        values |= dict(zip(("after_at", "after_series", "after_sequence"), after, strict=True)) if after is not None else {}
        wanted = {name: value for name, value in values.items() if value is not None}
        return [Record(*row) for row in self._session.all(statement, wanted)]

    def scan_below(
        self,
        world: World,
        kind: str,
        parent: str,
        *,
        names: Sequence[str] | None = None,
        prefix: str = "",
        start: int | None = None,
        end: int | None = None,
        after: tuple[int, int, int] | None = None,
        limit: int = 1000,
    ) -> list[tuple[Record, str]]:
        """As ``scan``, for the series of a parent (all, some by name, or those whose name begins so), with each record's series' name."""
        values: dict[str, object] = {
            "account": world.account,
            "region": world.region,
            "kind": kind,
            "parent": parent,
            "limit": limit,
        }
        values |= {"start": start} if start is not None else {}
        values |= {"end": end} if end is not None else {}
        values |= {f"name{index}": name for index, name in enumerate(names or ())}
        values |= {"prefix": prefix, "prefix_end": prefix + "\U0010ffff"} if prefix else {}
        values |= dict(zip(("after_at", "after_series", "after_sequence"), after, strict=True)) if after is not None else {}
        count = None if names is None else len(names)
        statement = _scanned_below(count, bool(prefix), start is not None, end is not None, after is not None)
        return [(Record(*row[:5]), row[5]) for row in self._session.all(statement, values)]

    def expired(self, world: World, kind: str, parent: str, before: int, limit: int) -> list[Series]:
        """Series of a parent that have records older than ``before``."""
        values = {"account": world.account, "region": world.region, "kind": kind, "parent": parent}
        return [_series_of(row) for row in self._session.all(_EXPIRED, {**values, "before": before, "limit": limit})]

    def trim(self, of: Series, before: int, most: int = 5000) -> int:
        """Removes records older than ``before``, the oldest first and about ``most`` of them; how many."""
        cut = self._session.one(_CUT, {"series_id": of.id, "before": before, "most": most})
        removed = self._session.run(_TRIM, {"series_id": of.id, "before": before if cut is None else cut[0] + 1})
        if removed:
            first = self._session.one(_FIRST, {"series_id": of.id})
            self._mark(replace(of, first_at=None if first is None else first[0]))
        return removed

    def drop(self, of: Series) -> None:
        """Removes a series with its records."""
        self._session.run(_EMPTY, {"series_id": of.id})
        self._session.run(_REMOVE, {"series_id": of.id})

    def _mark(self, now: Series) -> Series:
        self._session.run(_MARK, {"series_id": now.id, **{name: getattr(now, name) for name in _ENDS}})
        return now


def _named(world: World, kind: str, parent: str, name: str) -> dict[str, object]:
    return {"account": world.account, "region": world.region, "kind": kind, "parent": parent, "name": name}


def _series_of(row: Row) -> Series:
    number, account, region, kind, parent, name, *rest = row
    return Series(number, World(account, region), kind, parent, name, *rest)


@lru_cache
def _listed(parent: bool, prefix: bool, order: str, descending: bool, later: bool) -> Statement:
    value: Any = {"name": _s.name, "last_at": _s.last_at}[order]
    chosen = select(*_COLUMNS).where(*_SCOPE)
    if parent:
        chosen = chosen.where(_s.parent == bindparam("parent"))
    if prefix:
        chosen = chosen.where(_s.name >= bindparam("prefix"), _s.name < bindparam("prefix_end"))
    place = (value, _s.parent, _s.name)
    if later:
        last = tuple_(bindparam("after_value"), bindparam("after_parent"), bindparam("after_name"))
        chosen = chosen.where(tuple_(*place) < last if descending else tuple_(*place) > last)
    return Statement(_sorted(chosen, place, descending).limit(bindparam("limit")))


@lru_cache
def _scanned(count: int, start: bool, end: bool, later: bool, descending: bool) -> Statement:
    one_of = _r.series.in_([bindparam(f"series{index}") for index in range(count)])
    return Statement(_ranged(select(*_RECORD).where(one_of), start, end, later, descending))


@lru_cache
def _scanned_below(names: int | None, prefix: bool, start: bool, end: bool, later: bool) -> Statement:
    chosen = select(*_RECORD, _s.name).join_from(records, series, _r.series == _s.id).where(*_BELOW)
    if names is not None:
        chosen = chosen.where(_s.name.in_([bindparam(f"name{index}") for index in range(names)]))
    if prefix:
        chosen = chosen.where(_s.name >= bindparam("prefix"), _s.name < bindparam("prefix_end"))
    if start:
        chosen = chosen.where(_s.last_at >= bindparam("start"))
    return Statement(_ranged(chosen, start, end, later, descending=False))


def _ranged(chosen: Select[Any], start: bool, end: bool, later: bool, descending: bool) -> Select[Any]:
    """Records of a time range after a place, in order. The plain bound on ``at`` is what the primary key can be searched by."""
    if start:
        chosen = chosen.where(_r.at >= bindparam("start"))
    if end:
        chosen = chosen.where(_r.at < bindparam("end"))
    place = (_r.at, _r.series, _r.sequence)
    if later:
        last_at: Any = bindparam("after_at")
        last = tuple_(last_at, bindparam("after_series"), bindparam("after_sequence"))
        chosen = chosen.where(_r.at <= last_at if descending else _r.at >= last_at)
        chosen = chosen.where(tuple_(*place) < last if descending else tuple_(*place) > last)
    return _sorted(chosen, place, descending).limit(bindparam("limit"))


def _sorted(chosen: Select[Any], place: Sequence[Any], descending: bool) -> Select[Any]:
    return chosen.order_by(*(column.desc() if descending else column.asc() for column in place))
