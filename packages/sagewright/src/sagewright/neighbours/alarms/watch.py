"""Judges every metric alarm when the data of a period is complete, and composite ones when another alarm has changed: a controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from sagewright.kernel.controller import Plan
from sagewright.neighbours.alarms.composite import children, is_composite
from sagewright.signals import alarms
from sagewright.signals.alarm_expression import holds, parse
from sagewright.signals.alarm_rule import Datapoint, Rule, Verdict, judge
from sagewright.signals.alarm_window import datapoints, next_look, period_of
from sagewright.store.database import Store
from sagewright.store.rows import Document, Resource


@dataclass(frozen=True, slots=True)
class Nothing:
    """An alarm's evaluation does nothing but change its row; what follows is in changes.py."""


class AlarmWatch:
    """An evaluation that changes nothing costs one read and no write."""

    kind = alarms.KIND

    def __init__(self, store: Store) -> None:
        self._store = store

    async def observe(self, resource: Resource) -> Sequence[Datapoint] | Mapping[str, str]:
        """The datapoints of the evaluation range, oldest first; of a composite alarm the states of those that its rule names."""
        if is_composite(resource):
            wanted = children(resource)
            return await self._store.read(lambda transaction: alarms.states(transaction, resource.world, wanted))
        rule, now = Rule.of(resource.spec), self._store.clock.now()
        return await self._store.read(
            lambda transaction: datapoints(transaction, resource.world, resource.spec, rule.reach, now)
        )

    def plan(self, resource: Resource, observed: Sequence[Datapoint] | Mapping[str, str], now: float) -> Plan[Nothing]:
        """The state that the datapoints give, and the end of the next period; a composite alarm waits for the next change."""
        if isinstance(observed, Mapping):
            return _composed(resource, observed, now)
        verdict = judge(Rule.of(resource.spec), observed)
        due = next_look(period_of(resource.spec), now)
        if verdict.state in (None, resource.state):
            return Plan(due=due)
        return Plan(status={**resource.status, **_changed(resource, verdict, now)}, state=verdict.state, due=due)

    async def perform(self, resource: Resource, action: Nothing) -> None:
        """There is no action."""


def _composed(resource: Resource, states: Mapping[str, str], now: float) -> Plan[Nothing]:
    state = alarms.ALARM if holds(parse(resource.spec["AlarmRule"]), states) else alarms.OK
    if state == resource.state:
        return Plan()
    told = ", ".join(f"{alarms.arn_of(resource.world, name)} is {states[name]}" for name in sorted(states))
    changed = {"StateReason": f"{told}."[:1023], "StateUpdatedTimestamp": now, "StateTransitionedTimestamp": now}
    return Plan(status={**resource.status, **changed}, state=state)


def _changed(resource: Resource, verdict: Verdict, now: float) -> Document:
    return {
        "StateReason": verdict.reason[:1023],
        "StateReasonData": orjson.dumps(_data(resource, verdict, now)).decode()[:4000],
        "StateUpdatedTimestamp": now,
        "StateTransitionedTimestamp": now,
    }


def _data(resource: Resource, verdict: Verdict, now: float) -> dict[str, Any]:
    """StateReasonData as CloudWatch writes it, version 1.0."""
    spec, points = resource.spec, verdict.datapoints
    found: dict[str, Any] = {"version": "1.0", "queryDate": _iso(now)}
    if points:
        found["startDate"] = _iso(points[-1].at)
    if "Statistic" in spec:
        found["statistic"] = spec["Statistic"]
    return found | {
        "period": period_of(spec),
        "recentDatapoints": [point.value for point in reversed(points)],
        "threshold": spec["Threshold"],
        "evaluatedDatapoints": [{"timestamp": _iso(point.at), "value": point.value} for point in points],
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
