"""The operations on alarms: of service ``cloudwatch``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import orjson

from sagewright.base.world import World
from sagewright.kernel.operation import Context
from sagewright.neighbours.alarms import composite
from sagewright.neighbours.alarms.changes import AlarmChanges, configured
from sagewright.neighbours.alarms.rules import check
from sagewright.neighbours.requests import Handlers, make_marker, read_marker, refuse
from sagewright.signals import alarms
from sagewright.signals.alarm_window import next_look, period_of
from sagewright.signals.alarms import Entry
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

Item = TypeVar("Item")
_PAGE = 50
_FOREVER = 4102444800.0  # the year 2100


class Alarms:
    """See the module docstring. ``changes`` is told of every change of state."""

    def __init__(self, store: Store, changes: AlarmChanges) -> None:
        self._store = store
        self._changes = changes

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "PutMetricAlarm": self.put_metric_alarm,
            "PutCompositeAlarm": self.put_composite_alarm,
            "DescribeAlarms": self.describe_alarms,
            "DescribeAlarmsForMetric": self.describe_alarms_for_metric,
            "DescribeAlarmHistory": self.describe_alarm_history,
            "SetAlarmState": self.set_alarm_state,
            "EnableAlarmActions": self.enable_alarm_actions,
            "DisableAlarmActions": self.disable_alarm_actions,
            "DeleteAlarms": self.delete_alarms,
            "ListTagsForResource": self.list_tags,
            "TagResource": self.tag,
            "UntagResource": self.untag,
        }

    async def put_metric_alarm(self, context: Context, request: Document) -> Document:
        """PutMetricAlarm: a new one, or all of an old one but its state and tags."""
        check(request)

        def work(transaction: Transaction) -> Document:
            put(transaction, context, request)
            return {}

        return await self._store.write(work)

    async def put_composite_alarm(self, context: Context, request: Document) -> Document:
        """PutCompositeAlarm, the same way."""
        composite.check(request)

        def work(transaction: Transaction) -> Document:
            composite.check_family(transaction, context.world, request)
            put(transaction, context, request)
            return {}

        return await self._store.write(work)

    async def describe_alarms(self, context: Context, request: Document) -> Document:
        """DescribeAlarms, by name."""
        if "AlarmNames" in request and "AlarmNamePrefix" in request:
            raise Fault("ValidationError", "AlarmNames and AlarmNamePrefix cannot be used together.")
        related = "ChildrenOfAlarmName" in request or "ParentsOfAlarmName" in request
        # Composite alarms only for those who ask (API DescribeAlarms).
        kinds = request.get("AlarmTypes", ["MetricAlarm", "CompositeAlarm"] if related else ["MetricAlarm"])
        found = await self._store.read(lambda transaction: _family(transaction, context, request))
        wanted = [row for row in found if _kind(row) in kinds and _wanted(row, request)]
        page, more = _page(wanted, lambda row: row.key, request)
        return {
            "MetricAlarms": [alarms.shown(row) for row in page if not composite.is_composite(row)],
            "CompositeAlarms": [alarms.shown(row) for row in page if composite.is_composite(row)],
            **more,
        }

    async def describe_alarms_for_metric(self, context: Context, request: Document) -> Document:
        """DescribeAlarmsForMetric: those on exactly this metric."""
        found = await self._store.read(lambda transaction: alarms.all_of(transaction, context.world))
        return {"MetricAlarms": [alarms.shown(row) for row in found if _watches(row, request)]}

    async def describe_alarm_history(self, context: Context, request: Document) -> Document:
        """DescribeAlarmHistory, newest first unless ScanBy says otherwise."""
        refuse(request, "ValidationError", "AlarmContributorId")
        names = [request["AlarmName"]] if "AlarmName" in request else None
        start, end = request.get("StartDate", 0.0), request.get("EndDate", _FOREVER)
        found = await self._store.read(lambda transaction: alarms.history(transaction, context.world, names, start, end))
        kinds = (request["HistoryItemType"],) if "HistoryItemType" in request else None
        shown = [_item(entry) for entry in found if kinds is None or entry.kind in kinds]
        if request.get("ScanBy") != "TimestampAscending":
            shown.reverse()
        first = int(_after(request)) if "NextToken" in request else 0
        page = shown[first : first + request.get("MaxRecords", 100)]
        rest = first + len(page)
        answer: Document = {"AlarmHistoryItems": page}
        return answer if rest >= len(shown) else {**answer, "NextToken": make_marker([str(rest)])}

    async def set_alarm_state(self, context: Context, request: Document) -> Document:
        """SetAlarmState: until the alarm is judged next."""
        if "StateReasonData" in request:
            _check_json(request["StateReasonData"])

        def work(transaction: Transaction) -> Document:
            row = transaction.resources.get(context.world, alarms.KIND, request["AlarmName"])
            if row is None:
                raise Fault("ResourceNotFound", f"Alarm [{request['AlarmName']}] does not exist", 404)
            changed = _with_state(row, request, context.now)
            transaction.resources.save(changed)
            self._changes(transaction, row, changed)
            return {}

        return await self._store.write(work)

    async def enable_alarm_actions(self, context: Context, request: Document) -> Document:
        """EnableAlarmActions."""
        return await self._enable(context, request, True)

    async def disable_alarm_actions(self, context: Context, request: Document) -> Document:
        """DisableAlarmActions."""
        return await self._enable(context, request, False)

    async def delete_alarms(self, context: Context, request: Document) -> Document:
        """DeleteAlarms: those that there are; their history stays."""

        def work(transaction: Transaction) -> Document:
            for name in dict.fromkeys(request["AlarmNames"]):
                composite.check_unused(transaction, context.world, name, request["AlarmNames"])
                delete(transaction, context.world, name, context.now)
            return {}

        return await self._store.write(work)

    async def list_tags(self, context: Context, request: Document) -> Document:
        """ListTagsForResource of an alarm."""

        def work(transaction: Transaction) -> dict[str, str]:
            return transaction.tags.get(_tagged(transaction, context, request).arn)

        found = await self._store.read(work)
        return {"Tags": [{"Key": key, "Value": value} for key, value in found.items()]}

    async def tag(self, context: Context, request: Document) -> Document:
        """TagResource of an alarm."""
        more = {tag["Key"]: tag["Value"] for tag in request["Tags"]}

        def work(transaction: Transaction) -> Document:
            transaction.tags.set(_tagged(transaction, context, request).arn, more)
            return {}

        return await self._store.write(work)

    async def untag(self, context: Context, request: Document) -> Document:
        """UntagResource of an alarm."""

        def work(transaction: Transaction) -> Document:
            transaction.tags.remove(_tagged(transaction, context, request).arn, request["TagKeys"])
            return {}

        return await self._store.write(work)

    async def _enable(self, context: Context, request: Document, enabled: bool) -> Document:
        def work(transaction: Transaction) -> Document:
            for name in request["AlarmNames"]:
                row = transaction.resources.get(context.world, alarms.KIND, name)
                if row is not None:
                    transaction.resources.save(replace(row, spec={**row.spec, "ActionsEnabled": enabled}))
            return {}

        return await self._store.write(work)


def put(transaction: Transaction, context: Context, request: Document) -> Resource:
    """Writes an alarm that is right; its first evaluation is due at once."""
    world, name = context.world, request["AlarmName"]
    spec = {member: value for member, value in request.items() if member != "Tags"}
    known = transaction.resources.get(world, alarms.KIND, name)
    if known is not None and composite.is_composite(known) != ("AlarmRule" in spec):
        raise Fault("ValidationError", f"Alarm {name} is of another type: delete it first.")
    if known is not None:
        status = {**known.status, "AlarmConfigurationUpdatedTimestamp": context.now}
        row = transaction.resources.save(replace(known, spec=spec, status=status, modified=context.now, due=context.now))
        configured(transaction, row, "updated", context.now)
        return row
    if transaction.resources.count(world, alarms.KIND) >= alarms.MOST:
        raise Fault("LimitExceeded", f"The maximum number of alarms ({alarms.MOST}) was reached.")
    status = {
        "StateReason": "Unchecked: Initial alarm creation",
        "AlarmConfigurationUpdatedTimestamp": context.now,
        "StateUpdatedTimestamp": context.now,
        "StateTransitionedTimestamp": context.now,
    }
    fresh = Resource(
        world,
        alarms.KIND,
        name,
        alarms.arn_of(world, name),
        name,
        alarms.INSUFFICIENT_DATA,
        composite.PARENT if "AlarmRule" in spec else "",
        spec,
        status=status,
        created=context.now,
        modified=context.now,
        due=context.now,
    )
    row = transaction.resources.insert(fresh)
    transaction.tags.set(row.arn, {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])})
    configured(transaction, row, "created", context.now)
    return row


def delete(transaction: Transaction, world: World, name: str, now: float) -> None:
    """Removes an alarm, if there is one."""
    row = transaction.resources.get(world, alarms.KIND, name)
    if row is not None:
        transaction.resources.delete(row)
        configured(transaction, row, "deleted", now)


def _with_state(row: Resource, request: Document, now: float) -> Resource:
    status = {**row.status, "StateReason": request["StateReason"], "StateUpdatedTimestamp": now}
    status.pop("StateReasonData", None)
    if "StateReasonData" in request:
        status["StateReasonData"] = request["StateReasonData"]
    if row.state != request["StateValue"]:
        status["StateTransitionedTimestamp"] = now
    due = None if composite.is_composite(row) else next_look(period_of(row.spec), now)
    return replace(row, state=request["StateValue"], status=status, modified=now, due=due)


def _family(transaction: Transaction, context: Context, request: Document) -> list[Resource]:
    """All alarms, those that a composite alarm names, or the composite ones that name an alarm."""
    if "ParentsOfAlarmName" in request:
        return composite.of(transaction, context.world, alarms.name_of(request["ParentsOfAlarmName"]))
    rows = alarms.all_of(transaction, context.world)
    if "ChildrenOfAlarmName" not in request:
        return rows
    parent = transaction.resources.get(context.world, alarms.KIND, alarms.name_of(request["ChildrenOfAlarmName"]))
    named = composite.children(parent) if parent is not None and composite.is_composite(parent) else frozenset()
    return [row for row in rows if row.key in named]


def _kind(row: Resource) -> str:
    return "CompositeAlarm" if composite.is_composite(row) else "MetricAlarm"


def _wanted(row: Resource, request: Document) -> bool:
    given = request.get("ActionPrefix", "")
    acts = [arn for member in alarms.ACTIONS.values() for arn in row.spec.get(member, ())]
    return (
        ("AlarmNames" not in request or row.key in request["AlarmNames"])
        and row.key.startswith(request.get("AlarmNamePrefix", ""))
        and request.get("StateValue", row.state) == row.state
        and (not given or any(arn.startswith(given) for arn in acts))
    )


def _watches(row: Resource, request: Document) -> bool:
    def named(document: Document) -> dict[str, str]:
        return {dimension["Name"]: dimension["Value"] for dimension in document.get("Dimensions", ())}

    spec = dict(row.spec)
    return (
        spec.get("Namespace") == request["Namespace"]
        and spec.get("MetricName") == request["MetricName"]
        and named(spec) == named(request)
        and all(
            spec.get(name) == request[name] for name in ("Statistic", "ExtendedStatistic", "Period", "Unit") if name in request
        )
    )


def _item(entry: Entry) -> Document:
    return {
        "AlarmName": entry.alarm,
        "AlarmType": "MetricAlarm",
        "Timestamp": entry.at,
        "HistoryItemType": entry.kind,
        "HistorySummary": entry.summary,
        "HistoryData": entry.data,
    }


def _tagged(transaction: Transaction, context: Context, request: Document) -> Resource:
    row = transaction.resources.get(context.world, alarms.KIND, alarms.name_of(request["ResourceARN"]))
    if row is None or row.arn != request["ResourceARN"]:
        raise Fault("ResourceNotFoundException", f"The resource {request['ResourceARN']} does not exist.", 404)
    return row


def _check_json(text: str) -> None:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Fault("InvalidFormat", "StateReasonData is not valid JSON.") from None


def _after(request: Document) -> str:
    (place,) = read_marker(request["NextToken"], 1, _INVALID_TOKEN)
    return place


_INVALID_TOKEN = Fault("InvalidNextToken", "The next token specified is invalid.")


def _page(items: Sequence[Item], name: Callable[[Item], str], request: Document) -> tuple[list[Item], Document]:
    """What follows the item that NextToken names, in the order of names."""
    rest = [item for item in items if "NextToken" not in request or name(item) > _after(request)]
    page = rest[: request.get("MaxRecords", _PAGE)]
    return page, {} if len(page) == len(rest) else {"NextToken": make_marker([name(page[-1])])}
