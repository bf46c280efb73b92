"""Makes scalable targets true: looks at alarms and capacity, asks plan.py, and calls SageMaker's own API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.kernel.controller import Later, Plan
from sagewright.neighbours.alarms.composite import is_composite
from sagewright.neighbours.alarms.operations import delete as delete_alarm
from sagewright.neighbours.autoscaling import activities
from sagewright.neighbours.autoscaling.capacity import Capacities
from sagewright.neighbours.autoscaling.decide import Policy, Watched
from sagewright.neighbours.autoscaling.plan import Action, Forget, Record, SetCapacity, Sight, plan
from sagewright.neighbours.autoscaling.rows import POLICY, SCHEDULE, TARGET, below
from sagewright.signals import alarms
from sagewright.signals.alarm_rule import BREACHING, MISSING
from sagewright.signals.alarm_window import datapoints, period_of, step
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Resource
from sagewright.wire.errors import Fault

REFUSED = 5.0
"""Seconds until a change that SageMaker refused is asked for again."""


class TargetController:
    """See the module docstring."""

    kind = TARGET

    def __init__(self, store: Store, capacities: Capacities) -> None:
        self._store = store
        self._capacities = capacities

    async def observe(self, resource: Resource) -> Sight:
        """Capacity and alarms."""
        capacity = await self._capacities.read(resource.world, resource.spec)
        now = self._store.clock.now()
        policies = await self._store.read(lambda transaction: _policies(transaction, resource, now))
        return Sight(capacity, policies)

    def plan(self, resource: Resource, observed: Sight, now: float) -> Plan[Action]:
        """See plan.py."""
        return plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        """Does one action."""
        match action:
            case Record(activity):
                now = self._store.clock.now()
                await self._store.write(
                    lambda transaction: activities.record(transaction, resource.world, resource.key, activity, now)
                )
            case SetCapacity(count, name):
                await self._set(resource, count, name)
            case Forget():
                await self._store.write(
                    lambda transaction: clear(transaction, resource, "The resource is gone.", self._store.clock.now())
                )

    async def _set(self, resource: Resource, count: int, activity: str) -> None:
        """What is refused stays queued, and the activity says why."""
        try:
            await self._capacities.put(resource.world, resource.spec, count)
        except Fault as fault:
            message, now = f"Waiting to try again. Reason: {fault.message} ({fault.code})", self._store.clock.now()
            await self._store.write(lambda transaction: activities.say(transaction, resource.world, activity, message, now))
            raise Later(REFUSED, message) from fault


def clear(transaction: Transaction, target: Resource, why: str, now: float) -> None:
    """Removes what lies below a target, and ends what is under way."""
    for policy in below(transaction, target, POLICY):
        remove_policy(transaction, policy, now)
    for schedule in below(transaction, target, SCHEDULE):
        transaction.resources.delete(schedule)
    activities.override(transaction, target, why, now)


def remove_policy(transaction: Transaction, policy: Resource, now: float) -> None:
    """A policy and the alarms that were made for it."""
    for name in policy.status.get("Alarms", ()):
        delete_alarm(transaction, policy.world, name, now)
    transaction.resources.delete(policy)


def triggering(transaction: Transaction, policy: Resource) -> list[Resource]:
    """The alarms that cause a policy: its own ones, upper and lower; for step scaling those whose actions name it."""
    if "Alarms" in policy.status:
        own = [transaction.resources.get(policy.world, alarms.KIND, name) for name in policy.status["Alarms"]]
        return [row for row in own if row is not None]
    rows = alarms.all_of(transaction, policy.world)  # composite alarms have no value that a step could be chosen by
    return [row for row in rows if policy.arn in row.spec.get("AlarmActions", ()) and not is_composite(row)]


def _policies(transaction: Transaction, target: Resource, now: float) -> tuple[Policy, ...]:
    found = []
    for row in below(transaction, target, POLICY):
        tracking = "TargetTrackingScalingPolicyConfiguration" in row.spec
        since = row.modified if tracking else None
        watched = tuple(_watched(transaction, alarm, now, since) for alarm in triggering(transaction, row))
        if tracking and len(watched) < 2:
            continue  # an alarm of it was deleted: on AWS, too, such a policy scales no more
        config = row.spec["TargetTrackingScalingPolicyConfiguration" if tracking else "StepScalingPolicyConfiguration"]
        found.append(Policy(row.name, config, tracking, watched))
    return tuple(found)


def _watched(transaction: Transaction, alarm: Resource, now: float, since: float | None) -> Watched:
    """Where an alarm of target tracking has an answer for missing data, that means that nothing was asked: zero.

    ``since`` is when such a policy was put: time before it does not count as time in which nothing was asked.
    """
    spec: Mapping[str, Any] = alarm.spec
    period, periods = period_of(spec), spec["EvaluationPeriods"]
    points = datapoints(transaction, alarm.world, spec, periods, now)
    missing = spec.get("TreatMissingData", MISSING) if since is not None else MISSING
    early = missing == BREACHING and since is not None and now < since + period * periods
    state = alarm.state if spec.get("ActionsEnabled", True) and not early else ""
    values = (point.value if point.value is not None or missing == MISSING else 0.0 for point in points)
    known = tuple(value for value in values if value is not None)
    return Watched(alarm.key, state, spec["Threshold"], known, step(period))
