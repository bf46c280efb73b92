"""Reading log events as CloudWatch does: GetLogEvents along one stream, FilterLogEvents over a group.

A token is a direction and a place, so it stays good for ever and may be used again and again: v3 of the SDK keeps the forward token between
polls. At the end of a stream the same forward token comes back, and the page is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sagewright.base.world import World
from sagewright.signals.logs import STREAM_KIND, Event
from sagewright.store.database import Transaction
from sagewright.store.records import Record, Series

MOST_EVENTS = 10_000
MOST_BYTES = 1_048_576
"""CloudWatch: a page of GetLogEvents has at most 10,000 events and 1 MB."""

_TOKEN = re.compile(r"([fb])/(\d{20})(\d{20})/s")
_FILTER_TOKEN = re.compile(r"(\d{20})(\d{20})(\d{20})")


class LogPage(NamedTuple):
    """Events in order of time, and the tokens before and after them."""

    events: list[Event]
    forward: str
    backward: str


class FoundEvent(NamedTuple):
    """An event of FilterLogEvents; ``id`` is unique."""

    stream: str
    event: Event
    id: str


def get_events(
    transaction: Transaction,
    stream: Series,
    *,
    start: int | None = None,
    end: int | None = None,
    from_head: bool = False,
    token: str | None = None,
    limit: int = MOST_EVENTS,
) -> LogPage:
    """Events with start <= timestamp < end (epoch milliseconds), from the head or the tail or where ``token`` says.

    Raises ValueError for a token that is not one.
    """
    forward, place = _read_token(token) if token else (from_head, None)
    after = None if place is None else (place[0], stream.id, place[1])
    found = transaction.records.scan([stream], start=start, end=end, after=after, descending=not forward, limit=limit)
    records = _within(found)
    if not forward:
        records.reverse()
    if records:
        first, last = records[0], records[-1]
        return LogPage(
            [_event(record) for record in records], _forward(last.at, last.sequence), _backward(first.at, first.sequence)
        )
    at, sequence = place or (start or 0, 0)
    if forward:
        return LogPage([], _forward(at, sequence), _backward(at, sequence + 1))
    return LogPage([], _forward(at, max(sequence - 1, 0)), _backward(at, sequence))


def filter_events(
    transaction: Transaction,
    world: World,
    group: str,
    *,
    streams: Sequence[str] | None = None,
    prefix: str = "",
    start: int | None = None,
    end: int | None = None,
    matches: Callable[[str], bool] = lambda message: True,
    token: str | None = None,
    limit: int = MOST_EVENTS,
) -> tuple[list[FoundEvent], str | None]:
    """Events with start <= timestamp <= end over streams, by time, and the next page's token.

    Every page with an event has a token, because both SDKs print only pages that have one; the last page is then empty.
    """
    after = None if token is None else _read_filter_token(token)
    upto = None if end is None else end + 1
    found = transaction.records.scan_below(
        world, STREAM_KIND, group, names=streams, prefix=prefix, start=start, end=upto, after=after, limit=limit
    )
    records = _within([record for record, _ in found])
    events = [
        FoundEvent(name, event, _event_id(record))
        for record, name in found[: len(records)]
        if matches((event := _event(record)).message)
    ]
    last = records[-1] if records else None
    more = bool(events) or len(records) < len(found) or len(found) == limit
    return events, f"{last.at:020}{last.series:020}{last.sequence:020}" if last is not None and more else None


def _within(records: list[Record]) -> list[Record]:
    """As many as fit into a page, but one at least."""
    size = 0
    for count, record in enumerate(records):
        size += len(record.body) + 26
        if size > MOST_BYTES and count:
            return records[:count]
    return list(records)


def _event(record: Record) -> Event:
    return Event(record.at, record.body.decode("utf-8", "replace"), record.written, record.sequence)


def _event_id(record: Record) -> str:
    return f"{record.at:020}{record.series:016}{record.sequence:020}"


def _forward(at: int, sequence: int) -> str:
    return f"f/{at:020}{sequence:020}/s"


def _backward(at: int, sequence: int) -> str:
    return f"b/{at:020}{sequence:020}/s"


def _read_token(token: str) -> tuple[bool, tuple[int, int]]:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ValueError("not a token of GetLogEvents")
    at, sequence = int(match[2]), int(match[3])
    return match[1] == "f", _stored(at, sequence)


def _read_filter_token(token: str) -> tuple[int, int, int]:
    match = _FILTER_TOKEN.fullmatch(token)
    if match is None:
        raise ValueError("not a token of FilterLogEvents")
    at, sequence = _stored(int(match[1]), int(match[3]))
    return at, _stored(int(match[2]), 0)[0], sequence


def _stored(at: int, sequence: int) -> tuple[int, int]:
    """Digits of a made-up token may be more than a column holds."""
    if max(at, sequence) >= 2**63:
        raise ValueError("not a place in a stream")
    return at, sequence
