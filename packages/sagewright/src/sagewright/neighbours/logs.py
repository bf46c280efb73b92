"""CloudWatch Logs: what the SDKs read of jobs and endpoints, and what containers and users write.

Differences that show: one class of groups, no encryption by key, no metric or subscription filters, ``storedBytes`` is left out of groups.
Retention is kept and enforced: expired events are not shown, and the controller in log_retention.py removes them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sagewright.kernel.operation import Context
from sagewright.neighbours.log_events import LogEvents
from sagewright.neighbours.log_groups import INVALID, found_group, found_stream
from sagewright.neighbours.log_tags import LogTags
from sagewright.neighbours.requests import Handlers, make_marker, read_marker, refuse
from sagewright.signals import logs
from sagewright.store.database import Store, Transaction
from sagewright.store.records import Series
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

T = TypeVar("T")

_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


class Logs:
    """The operations of service ``logs``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "CreateLogGroup": self.create_group,
            "DeleteLogGroup": self.delete_group,
            "DescribeLogGroups": self.describe_groups,
            "CreateLogStream": self.create_stream,
            "DeleteLogStream": self.delete_stream,
            "DescribeLogStreams": self.describe_streams,
            "PutRetentionPolicy": self.put_retention,
            "DeleteRetentionPolicy": self.delete_retention,
            **LogEvents(self._store).operations(),
            **LogTags(self._store).operations(),
        }

    async def create_group(self, context: Context, request: Document) -> Document:
        """CreateLogGroup."""
        refuse(request, INVALID, "kmsKeyId", "deletionProtectionEnabled")
        if request.get("logGroupClass", "STANDARD") != "STANDARD":
            raise Fault(INVALID, "Sagewright has log groups of the class STANDARD only.")
        name = request["logGroupName"]

        def work(transaction: Transaction) -> Document:
            if logs.group(transaction, context.world, name) is not None:
                raise Fault("ResourceAlreadyExistsException", "The specified log group already exists")
            group = logs.create_group(transaction, context.world, name, _milliseconds(context))
            transaction.tags.set(group.arn, request.get("tags", {}))
            return {}

        return await self._store.write(work)

    async def delete_group(self, context: Context, request: Document) -> Document:
        """DeleteLogGroup, with its streams and events."""

        def work(transaction: Transaction) -> Document:
            logs.delete_group(transaction, found_group(transaction, context, request))
            return {}

        return await self._store.write(work)

    async def describe_groups(self, context: Context, request: Document) -> Document:
        """DescribeLogGroups, by name."""
        refuse(request, INVALID, "accountIdentifiers", "logGroupIdentifiers", "includeLinkedAccounts")
        if "logGroupNamePrefix" in request and "logGroupNamePattern" in request:
            raise Fault(INVALID, "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
        if request.get("logGroupClass", "STANDARD") != "STANDARD":
            return {"logGroups": []}
        limit = request.get("limit", 50)
        after = _marked(request)
        prefix, pattern = request.get("logGroupNamePrefix", ""), request.get("logGroupNamePattern", "")
        found = await self._store.read(
            lambda transaction: logs.describe_groups(
                transaction, context.world, prefix=prefix, pattern=pattern, after=after, limit=limit + 1
            )
        )
        return {
            "logGroups": [_described_group(group) for group in found[:limit]],
            **_next(found, limit, lambda group: group.key),
        }

    async def create_stream(self, context: Context, request: Document) -> Document:
        """CreateLogStream."""

        def work(transaction: Transaction) -> Document:
            group = found_group(transaction, context, request)
            if logs.stream(transaction, context.world, group.key, request["logStreamName"]) is not None:
                raise Fault("ResourceAlreadyExistsException", "The specified log stream already exists")
            logs.create_stream(transaction, context.world, group.key, request["logStreamName"], _milliseconds(context))
            return {}

        return await self._store.write(work)

    async def delete_stream(self, context: Context, request: Document) -> Document:
        """DeleteLogStream, with its events."""

        def work(transaction: Transaction) -> Document:
            logs.delete_stream(transaction, found_stream(transaction, context, request))
            return {}

        return await self._store.write(work)

    async def describe_streams(self, context: Context, request: Document) -> Document:
        """DescribeLogStreams. A token only when more than a page is left: v2 of the SDK asks again without it, for ever."""
        by_last_event = request.get("orderBy") == "LastEventTime"
        prefix = request.get("logStreamNamePrefix", "")
        if by_last_event and prefix:
            raise Fault(INVALID, "Cannot order by LastEventTime with a logStreamNamePrefix.")
        limit = request.get("limit", 50)

        def work(transaction: Transaction) -> list[Series]:
            group = found_group(transaction, context, request)
            marked = _marked(request)
            after = logs.stream(transaction, context.world, group.key, marked) if marked else None
            if marked and after is None:
                raise Fault(INVALID, "The specified nextToken is invalid.")
            return logs.describe_streams(
                transaction,
                context.world,
                group.key,
                prefix=prefix,
                by_last_event=by_last_event,
                descending=request.get("descending", False),
                after=after,
                limit=limit + 1,
            )

        found = await self._store.read(work)
        return {"logStreams": [_described_stream(one) for one in found[:limit]], **_next(found, limit, lambda one: one.name)}

    async def put_retention(self, context: Context, request: Document) -> Document:
        """PutRetentionPolicy."""
        days = request["retentionInDays"]
        if days not in _DAYS:
            raise Fault(INVALID, f"Retention in days must be one of {', '.join(map(str, _DAYS))}.")
        return await self._set_retention(context, request, days)

    async def delete_retention(self, context: Context, request: Document) -> Document:
        """DeleteRetentionPolicy: events are kept for ever from now on."""
        return await self._set_retention(context, request, None)

    async def _set_retention(self, context: Context, request: Document, days: int | None) -> Document:
        def work(transaction: Transaction) -> Document:
            logs.set_retention(transaction, found_group(transaction, context, request), days, context.now)
            return {}

        return await self._store.write(work)


def _milliseconds(context: Context) -> int:
    return int(context.now * 1000)


def _marked(request: Document) -> str:
    if "nextToken" not in request:
        return ""
    return read_marker(request["nextToken"], 1, Fault(INVALID, "The specified nextToken is invalid."))[0]


def _next(found: list[T], limit: int, name: Callable[[T], str]) -> Document:
    return {"nextToken": make_marker([name(found[limit - 1])])} if len(found) > limit else {}


def _described_group(group: Resource) -> Document:
    return {
        "logGroupName": group.key,
        "creationTime": int(group.created * 1000),
        "metricFilterCount": 0,
        "arn": f"{group.arn}:*",
        "logGroupArn": group.arn,
        "logGroupClass": "STANDARD",
        **group.spec,
    }


def _described_stream(stream: Series) -> Document:
    described: Document = {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "arn": f"arn:aws:logs:{stream.world.region}:{stream.world.account}:log-group:{stream.parent}:log-stream:{stream.name}",
        "storedBytes": 0,  # AWS answers 0 since 2019 (API reference, LogStream)
    }
    if stream.sequence:
        described |= {
            "firstEventTimestamp": stream.last_at if stream.first_at is None else stream.first_at,
            "lastEventTimestamp": stream.last_at,
            "lastIngestionTime": stream.last_written,
        }
    return described
