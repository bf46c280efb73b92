"""Log lines in CloudWatch's terms: group, stream, event; append-only.

A group is a row of kind ``logs:LogGroup`` (its retention lies in ``spec``), a stream a series of records below it. Reading is in log_pages.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from sagewright.base.world import World
from sagewright.store.database import Transaction
from sagewright.store.records import Series
from sagewright.store.rows import Resource

GROUP_KIND = "logs:LogGroup"
STREAM_KIND = "logs"
DAY = 86_400_000
"""Milliseconds."""
_TRIM_SECONDS = 3600.0


class Event(NamedTuple):
    """One line: ``timestamp`` and ``ingested`` in epoch milliseconds, ``sequence`` counts within its stream."""

    timestamp: int
    message: str
    ingested: int = 0
    sequence: int = 0


def append(transaction: Transaction, world: World, group: str, stream: str, events: Iterable[Event]) -> None:
    """Adds lines to a stream; group and stream are made when missing. Timestamps of a stream never go back.

    A line that says it is older than the last one gets that one's time: the SDKs resume by time, and a clock may be set back.
    """
    lines = list(events)
    if not lines:
        return
    series = create_stream(transaction, world, group, stream, lines[0].ingested or lines[0].timestamp)
    last = series.last_at
    entries = [(last := max(last, line.timestamp), body_of(line.message)) for line in lines]
    transaction.records.append(series, entries, max(line.ingested or line.timestamp for line in lines))


def put(transaction: Transaction, stream: Series, events: Iterable[Event], now: int) -> None:
    """Adds lines with the times they say (PutLogEvents); reading sorts by time."""
    transaction.records.append(stream, [(event.timestamp, body_of(event.message)) for event in events], now)


def create_group(transaction: Transaction, world: World, name: str, now: int) -> Resource:
    """The group, made when missing; ``now`` in epoch milliseconds."""
    known = group(transaction, world, name)
    if known is not None:
        return known
    arn = f"arn:aws:logs:{world.region}:{world.account}:log-group:{name}"
    seconds = now / 1000
    return transaction.resources.insert(Resource(world, GROUP_KIND, name, arn, name, created=seconds, modified=seconds))


def create_stream(transaction: Transaction, world: World, group: str, name: str, now: int) -> Series:
    """The stream, made when missing, and its group; ``now`` in epoch milliseconds."""
    known = stream(transaction, world, group, name)
    if known is not None:
        return known
    create_group(transaction, world, group, now)
    return transaction.records.open(world, STREAM_KIND, group, name, now)


def group(transaction: Transaction, world: World, name: str) -> Resource | None:
    """The group, or None."""
    return transaction.resources.get(world, GROUP_KIND, name)


def stream(transaction: Transaction, world: World, group: str, name: str) -> Series | None:
    """The stream, or None."""
    return transaction.records.series(world, STREAM_KIND, group, name)


def describe_groups(
    transaction: Transaction, world: World, *, prefix: str = "", pattern: str = "", after: str = "", limit: int = 50
) -> list[Resource]:
    """Groups by name, from the one after ``after`` on; ``pattern`` is a part of the name, case folded."""
    return transaction.resources.query(
        world,
        GROUP_KIND,
        name_prefix=prefix,
        name_contains=pattern,
        order="name",
        descending=False,
        after=(after, after) if after else None,
        limit=limit,
    )


def describe_streams(
    transaction: Transaction,
    world: World,
    group: str,
    *,
    prefix: str = "",
    by_last_event: bool = False,
    descending: bool = False,
    after: Series | None = None,
    limit: int = 50,
) -> list[Series]:
    """Streams of a group by name or by the time of their last event; ``after`` is the last one of the page before."""
    order = "last_at" if by_last_event else "name"
    place = None if after is None else (getattr(after, order), group, after.name)
    return transaction.records.find(
        world, STREAM_KIND, group, prefix=prefix, order=order, descending=descending, after=place, limit=limit
    )


def delete_stream(transaction: Transaction, stream: Series) -> None:
    """Removes a stream with its events."""
    transaction.records.drop(stream)


def delete_group(transaction: Transaction, group: Resource) -> None:
    """Removes a group with its streams."""
    while streams := describe_streams(transaction, group.world, group.key):
        for one in streams:
            transaction.records.drop(one)
    transaction.resources.delete(group)


def set_retention(transaction: Transaction, group: Resource, days: int | None, now: float) -> Resource:
    """Events older than ``days`` are not shown any more and are removed within the hour; None keeps them for ever."""
    spec = {name: value for name, value in group.spec.items() if name != "retentionInDays"}
    if days is not None:
        spec["retentionInDays"] = days
    return transaction.resources.save(replace(group, spec=spec, modified=now, due=None if days is None else now))


def oldest(group: Resource, now: float) -> int | None:
    """The time (epoch milliseconds) before which the group's events have expired; None: never."""
    days = group.spec.get("retentionInDays")
    return None if days is None else int(now * 1000) - days * DAY


def expire(transaction: Transaction, group: Resource, now: float) -> int:
    """Removes expired events, not more than a transaction should; returns how many, 0 when nothing is left to remove."""
    before = oldest(group, now)
    if before is None:
        return 0
    expired = transaction.records.expired(group.world, STREAM_KIND, group.key, before, 4)
    return sum(transaction.records.trim(one, before) for one in expired)


def body_of(message: str) -> bytes:
    """How a message is stored; what is no valid Unicode becomes a question mark."""
    return message.encode("utf-8", "replace")
