"""What a change of an alarm's state causes, inside the transaction that writes it: history, an event, the actions of the new state.

So each is done exactly once, whoever changed the state and wherever a crash falls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from sagewright.base.world import World
from sagewright.neighbours.alarms.composite import is_composite, wake
from sagewright.neighbours.events import bus
from sagewright.signals import alarms
from sagewright.signals.alarms import Entry
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

Deliver = Callable[[Transaction, World, str, Document, float], None]
"""Takes an action: world, its ARN, CloudWatch's notification, the time. Quick; writes through the transaction only; raises Undeliverable."""


class Undeliverable(Exception):
    """There is nothing that could act; the text goes into the alarm's history."""


_CONFIGURED = [
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Unit",
    "Period",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "ComparisonOperator",
    "Threshold",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
]


class AlarmChanges:
    """``deliveries`` by the service of an action's ARN (``sns``, ``autoscaling``); an action of another service is noted as failed."""

    def __init__(self, deliveries: Mapping[str, Deliver]) -> None:
        self._deliveries = deliveries

    def __call__(self, transaction: Transaction, before: Resource, after: Resource) -> None:
        """An alarm's row is written; nothing follows unless its state is another one."""
        if after.kind != alarms.KIND or before.state == after.state:
            return
        now = after.status["StateUpdatedTimestamp"]
        self._note(transaction, before, after, now)
        sent = bus.event(after.world, "aws.cloudwatch", "CloudWatch Alarm State Change", _told(before, after), [after.arn], now)
        bus.send(transaction, after.world, sent, now)
        message = _notification(before, after, now)
        for arn in alarms.actions(after):
            self._act(transaction, after, arn, message, now)
        wake(transaction, after, now)

    def _act(self, transaction: Transaction, alarm: Resource, arn: str, message: Document, now: float) -> None:
        try:
            self._deliver(transaction, alarm, arn, message, now)
            state, summary = "Succeeded", f"Successfully executed action {arn}"
        except Undeliverable as problem:
            state, summary = "Failed", f"Failed to execute action {arn}. Received error: {problem}"
        _write(transaction, alarm, now, "Action", summary, {"actionState": state, "notificationResource": arn})

    def _deliver(self, transaction: Transaction, alarm: Resource, arn: str, message: Document, now: float) -> None:
        deliver = self._deliveries.get(_service(arn))
        if deliver is None:
            raise Undeliverable("Sagewright cannot act on this resource.")
        deliver(transaction, alarm.world, arn, message, now)

    def _note(self, transaction: Transaction, before: Resource, after: Resource, now: float) -> None:
        summary = f"Alarm updated from {before.state} to {after.state}"
        data = {"version": "1.0", "oldState": _state(before), "newState": _state(after)}
        _write(transaction, after, now, "StateUpdate", summary, data)


def configured(transaction: Transaction, alarm: Resource, verb: str, now: float) -> None:
    """Notes that an alarm was created, updated or deleted."""
    data = {"version": "1.0", "type": verb.capitalize().removesuffix("d"), "updatedAlarm": _jsonable(alarms.shown(alarm))}
    _write(transaction, alarm, now, "ConfigurationUpdate", f'Alarm "{alarm.key}" {verb}', data)


def _write(transaction: Transaction, alarm: Resource, now: float, kind: str, summary: str, data: Document) -> None:
    entry = Entry(alarm.key, now, kind, summary[:255], orjson.dumps(data).decode()[:4095])
    alarms.note(transaction, alarm.world, entry)


def _service(arn: str) -> str:
    parts = arn.split(":", 3)
    return parts[2] if len(parts) == 4 else ""


def _state(alarm: Resource) -> Document:
    data = alarm.status.get("StateReasonData")
    found: Document = {"stateValue": alarm.state, "stateReason": alarm.status.get("StateReason", "")}
    return {**found, "stateReasonData": orjson.loads(data)} if data else found


def _told(before: Resource, after: Resource) -> Document:
    """The event's detail (CloudWatch user guide, cloudwatch-and-eventbridge)."""
    return {
        "alarmName": after.key,
        "state": _part(after),
        "previousState": _part(before),
        "configuration": {"description": after.spec.get("AlarmDescription", ""), **_watched(after)},
    }


def _part(alarm: Resource) -> Document:
    found: Document = {
        "value": alarm.state,
        "reason": alarm.status.get("StateReason", ""),
        "timestamp": _iso(alarm.status["StateUpdatedTimestamp"]),
    }
    data = alarm.status.get("StateReasonData")
    return {**found, "reasonData": data} if data else found


def _watched(alarm: Resource) -> Document:
    return {"alarmRule": alarm.spec["AlarmRule"]} if is_composite(alarm) else {"metrics": _metrics(alarm.spec)}


def _metrics(spec: Mapping[str, Any]) -> list[Document]:
    if "Metrics" in spec:
        return [_jsonable(query) for query in spec["Metrics"]]
    named = {dimension["Name"]: dimension["Value"] for dimension in spec.get("Dimensions", ())}
    metric = {"namespace": spec["Namespace"], "name": spec["MetricName"], "dimensions": named}
    stat = spec.get("Statistic") or spec.get("ExtendedStatistic")
    return [{"id": "m1", "metricStat": {"metric": metric, "period": spec["Period"], "stat": stat}, "returnData": True}]


def _notification(before: Resource, after: Resource, now: float) -> Document:
    """What CloudWatch sends to a topic of SNS."""
    return {
        "AlarmName": after.key,
        "AlarmDescription": after.spec.get("AlarmDescription"),
        "AWSAccountId": after.world.account,
        "AlarmConfigurationUpdatedTimestamp": _iso(after.status["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": after.state,
        "NewStateReason": after.status.get("StateReason", ""),
        "StateChangeTime": _iso(now),
        "Region": after.world.region,
        "AlarmArn": after.arn,
        "OldStateValue": before.state,
        "OKActions": after.spec.get("OKActions", []),
        "AlarmActions": after.spec.get("AlarmActions", []),
        "InsufficientDataActions": after.spec.get("InsufficientDataActions", []),
        **({"AlarmRule": after.spec["AlarmRule"]} if is_composite(after) else {"Trigger": _trigger(after)}),
    }


def _trigger(alarm: Resource) -> Document:
    named = [{"name": dimension["Name"], "value": dimension["Value"]} for dimension in alarm.spec.get("Dimensions", ())]
    return {**{name: alarm.spec[name] for name in _CONFIGURED if name in alarm.spec}, "Dimensions": named}


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def _jsonable(value: Document) -> Document:
    return {key[0].lower() + key[1:]: item for key, item in value.items()}
