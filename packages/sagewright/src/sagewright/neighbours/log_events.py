"""Log events: PutLogEvents, GetLogEvents, FilterLogEvents (how pages are cut is in signals/log_pages.py).

``sequenceToken`` is ignored, as AWS does since 2023. An ``entity`` is not kept, and the answer says so. ``unmask`` and ``interleaved``
ask for what is always done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sagewright.kernel.operation import Context
from sagewright.neighbours.log_groups import INVALID, found_group, found_stream
from sagewright.neighbours.requests import Handlers
from sagewright.signals import log_pages, logs, patterns
from sagewright.signals.log_pages import MOST_EVENTS, FoundEvent, LogPage
from sagewright.signals.logs import DAY, Event
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

T = TypeVar("T")

MOST_BYTES = 1_048_576
LARGEST_EVENT = 1_048_576
_OVERHEAD = 26
"""API reference, PutLogEvents: a batch is the sum of all messages in UTF-8, plus 26 bytes for each."""
_HOUR = 3_600_000


class LogEvents:
    """The operations on events."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {"PutLogEvents": self.put, "GetLogEvents": self.get, "FilterLogEvents": self.filter}

    async def put(self, context: Context, request: Document) -> Document:
        """PutLogEvents: events that are too new, too old or expired are left out, and the answer says which."""
        events = [Event(event["timestamp"], event["message"]) for event in request["logEvents"]]
        _refuse_batch(events)
        now = int(context.now * 1000)

        def work(transaction: Transaction) -> Document:
            stream = found_stream(transaction, context, request)
            group = found_group(transaction, context, request)
            kept, rejected = _accepted(events, now, logs.oldest(group, context.now))
            logs.put(transaction, stream, kept, now)
            return {
                "nextSequenceToken": str(stream.sequence + len(kept)),
                **({"rejectedLogEventsInfo": rejected} if rejected else {}),
                **({"rejectedEntityInfo": {"errorType": "UnsupportedLogGroupType"}} if "entity" in request else {}),
            }

        return await self._store.write(work)

    async def get(self, context: Context, request: Document) -> Document:
        """GetLogEvents."""

        def work(transaction: Transaction) -> LogPage:
            stream = found_stream(transaction, context, request)
            group = found_group(transaction, context, request)
            return log_pages.get_events(
                transaction,
                stream,
                start=_start(request, group, context),
                end=request.get("endTime"),
                from_head=request.get("startFromHead", False),
                token=request.get("nextToken"),
                limit=request.get("limit", MOST_EVENTS),
            )

        page = await self._read(work)
        events = [
            {"timestamp": event.timestamp, "message": event.message, "ingestionTime": event.ingested} for event in page.events
        ]
        return {"events": events, "nextForwardToken": page.forward, "nextBackwardToken": page.backward}

    async def filter(self, context: Context, request: Document) -> Document:
        """FilterLogEvents, the earliest first."""
        if request.get("startFromHead") is False:
            raise Fault(INVALID, "Sagewright filters log events from the head only.")
        if "logStreamNames" in request and "logStreamNamePrefix" in request:
            raise Fault(INVALID, "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")

        def work(transaction: Transaction) -> tuple[list[FoundEvent], str | None]:
            group = found_group(transaction, context, request)
            _refuse_missing(transaction, context, group, request.get("logStreamNames", ()))
            return log_pages.filter_events(
                transaction,
                context.world,
                group.key,
                streams=request.get("logStreamNames"),
                prefix=request.get("logStreamNamePrefix", ""),
                start=_start(request, group, context),
                end=request.get("endTime"),
                matches=patterns.parse(request.get("filterPattern", "")),
                token=request.get("nextToken"),
                limit=request.get("limit", MOST_EVENTS),
            )

        found, token = await self._read(work)
        answer: Document = {"events": [_filtered(event) for event in found], "searchedLogStreams": []}
        return answer if token is None else {**answer, "nextToken": token}

    async def _read(self, work: Callable[[Transaction], T]) -> T:
        try:
            return await self._store.read(work)
        except ValueError as error:
            raise Fault(INVALID, f"{error}.") from None


def _start(request: Document, group: Resource, context: Context) -> int | None:
    """Where to read from: expired events do not show."""
    oldest = logs.oldest(group, context.now)
    start: int | None = request.get("startTime")
    return start if oldest is None else max(start or 0, oldest)


def _refuse_missing(transaction: Transaction, context: Context, group: Resource, names: list[str]) -> None:
    for name in names:
        if logs.stream(transaction, context.world, group.key, name) is None:
            raise Fault("ResourceNotFoundException", "The specified log stream does not exist.")


def _refuse_batch(events: list[Event]) -> None:
    sizes = [len(logs.body_of(event.message)) + _OVERHEAD for event in events]
    if max(sizes) > LARGEST_EVENT:
        raise Fault(INVALID, f"Log event too large: {max(sizes)} bytes exceeds limit of {LARGEST_EVENT}")
    if sum(sizes) > MOST_BYTES:
        raise Fault(INVALID, f"Upload too large: {sum(sizes)} bytes exceeds limit of {MOST_BYTES}")
    times = [event.timestamp for event in events]
    if times != sorted(times):
        raise Fault(INVALID, "Log events in a single PutLogEvents request must be in chronological order.")
    if times[-1] - times[0] > DAY:
        raise Fault(INVALID, "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")


def _accepted(events: list[Event], now: int, expired: int | None) -> tuple[list[Event], Document]:
    """API reference, PutLogEvents: not more than two hours ahead, not older than 14 days or the group's retention."""
    newest, oldest = now + 2 * _HOUR, now - 14 * DAY
    too_old = sum(event.timestamp < oldest for event in events)
    gone = 0 if expired is None else sum(event.timestamp < expired for event in events)
    end = sum(event.timestamp <= newest for event in events)
    rejected = {
        "tooNewLogEventStartIndex": end if end < len(events) else None,
        "tooOldLogEventEndIndex": too_old or None,
        "expiredLogEventEndIndex": gone or None,
    }
    return events[max(too_old, gone) : end], {name: index for name, index in rejected.items() if index is not None}


def _filtered(found: FoundEvent) -> Document:
    return {
        "logStreamName": found.stream,
        "timestamp": found.event.timestamp,
        "message": found.event.message,
        "ingestionTime": found.event.ingested,
        "eventId": found.id,
    }
