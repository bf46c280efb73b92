"""The operations on scheduled actions, and what carries them out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sagewright.kernel.controller import Plan
from sagewright.kernel.operation import Context
from sagewright.neighbours.autoscaling import activities
from sagewright.neighbours.autoscaling.rows import MOST, SCHEDULE, TARGET, below, look, names, schedule_arn, target_of
from sagewright.neighbours.autoscaling.schedule import Following, ScheduleError, parse
from sagewright.neighbours.autoscaling.targets import check_namespace, fits, paged
from sagewright.neighbours.requests import Handlers
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

MOST_OF_TARGET = 200
"""Scheduled actions of a target (Application Auto Scaling quotas)."""
_MEMBERS = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")


class Schedules:
    """PutScheduledAction, DeleteScheduledAction, DescribeScheduledActions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "PutScheduledAction": self.put,
            "DeleteScheduledAction": self.delete,
            "DescribeScheduledActions": self.describe,
        }

    async def put(self, context: Context, request: Document) -> Document:
        """PutScheduledAction: a new one; of an old one what is said changes, the rest stays."""
        check_namespace(request)

        def work(transaction: Transaction) -> Document:
            target = target_of(transaction, context.world, request)
            known = transaction.resources.get(context.world, SCHEDULE, _key(request))
            spec = _spec(request, known)
            _check(spec, target, context.now)
            due = _following(spec, context.now)(context.now)
            if known is not None:
                transaction.resources.save(replace(known, spec=spec, status={}, modified=context.now, due=due))
                return {}
            if len(below(transaction, target, SCHEDULE)) >= MOST_OF_TARGET:
                raise Fault("LimitExceededException", f"The limit of {MOST_OF_TARGET} scheduled actions was reached.")
            transaction.resources.insert(_row(context, target, spec, due))
            return {}

        return await self._store.write(work)

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteScheduledAction."""
        check_namespace(request)

        def work(transaction: Transaction) -> Document:
            row = transaction.resources.get(context.world, SCHEDULE, _key(request))
            if row is None:
                raise Fault(
                    "ObjectNotFoundException",
                    f"No scheduled action found for service namespace: {request['ServiceNamespace']}, resource ID: "
                    f"{request['ResourceId']}, scalable dimension: {request['ScalableDimension']}, scheduled action name: "
                    f"{request['ScheduledActionName']}",
                )
            transaction.resources.delete(row)
            return {}

        return await self._store.write(work)

    async def describe(self, context: Context, request: Document) -> Document:
        """DescribeScheduledActions."""
        check_namespace(request)
        wanted = request.get("ScheduledActionNames")
        rows = await self._store.read(
            lambda transaction: transaction.resources.query(
                context.world, SCHEDULE, order="name", descending=False, limit=MOST * MOST_OF_TARGET
            )
        )
        found = [row for row in rows if fits(row.spec, request) and (wanted is None or row.name in wanted)]
        page, more = paged(found, lambda row: row.key, request)
        return {"ScheduledActions": [_shown(row) for row in page], **more}


@dataclass(frozen=True, slots=True)
class Carry:
    """Sets the target's bounds as the action says, for the time it was due (epoch seconds)."""

    due: float


class ScheduleController:
    """Carries out scheduled actions when they are due; one whose time passed while nobody was there is carried out late, once."""

    kind = SCHEDULE

    def __init__(self, store: Store) -> None:
        self._store = store

    async def observe(self, resource: Resource) -> None:
        """Nothing: the plan depends on the time alone."""

    def plan(self, resource: Resource, observed: None, now: float) -> Plan[Carry]:
        """Due now, or at its next time; settled after its last one."""
        due = resource.due
        if due is None:
            return Plan()
        if due > now:
            return Plan(due=due)
        following = _following(resource.spec, resource.created)(now)
        return Plan((Carry(due),), {**resource.status, "Last": due}, due=following)

    async def perform(self, resource: Resource, action: Carry) -> None:
        """Bounds and the activity that tells of them; the target's controller does the rest."""
        now = self._store.clock.now()

        def work(transaction: Transaction) -> None:
            target = transaction.resources.get(resource.world, TARGET, resource.parent)
            if target is None or target.spec.get("SuspendedState", {}).get("ScheduledScalingSuspended"):
                return
            bounds = _bounds(resource.spec, target.spec)
            if bounds is None:
                return  # its other bound has been changed since, and the two contradict one another
            look(transaction, replace(target, spec={**target.spec, **bounds}, modified=now), now)
            activities.record(transaction, resource.world, target.key, _activity(resource, bounds, action.due, now), now)

        await self._store.write(work)


def _activity(resource: Resource, bounds: Mapping[str, int], due: float, now: float) -> Document:
    said = {"MinCapacity": "min capacity to {}", "MaxCapacity": "max capacity to {}"}
    given = resource.spec["ScalableTargetAction"]
    text = " and ".join(said[member].format(bounds[member]) for member in said if member in given)
    return {
        "ActivityId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{resource.arn}/{due}")),
        **names(resource.spec),
        "Description": f"Setting {text}",
        "Cause": f"scheduled action name {resource.name} was triggered",
        "StartTime": now,
        "EndTime": now,
        "StatusCode": activities.SUCCESSFUL,
        "StatusMessage": f"Successfully set {text}",
    }


def _bounds(spec: Mapping[str, Any], target: Mapping[str, Any]) -> dict[str, int] | None:
    asked = spec["ScalableTargetAction"]
    found = {member: int(asked.get(member, target[member])) for member in ("MinCapacity", "MaxCapacity")}
    return found if found["MinCapacity"] <= found["MaxCapacity"] else None


def _spec(request: Document, known: Resource | None) -> Document:
    before = dict(known.spec) if known is not None else {"Timezone": "UTC"}
    given = {member: request[member] for member in _MEMBERS if member in request}
    return {**before, "ScheduledActionName": request["ScheduledActionName"], **names(request), **given}


def _check(spec: Mapping[str, Any], target: Resource, now: float) -> None:
    for member in ("Schedule", "ScalableTargetAction"):
        if member not in spec:
            raise validation(f"{member} is required when creating a scheduled action.")
    action = spec["ScalableTargetAction"]
    if not action:
        raise validation("At least one of MinCapacity and MaxCapacity must be specified.")
    if any(value < 0 for value in action.values()):
        raise validation("MinCapacity and MaxCapacity must not be negative.")
    if _bounds(spec, {"MinCapacity": 0, "MaxCapacity": 2**31}) is None:
        raise validation("Maximum capacity cannot be less than minimum capacity")
    if action.get("MinCapacity") == 0 and target.spec["MinCapacity"] != 0:
        raise validation("Minimum capacity must be at least 1 for this scalable target.")
    if spec.get("EndTime", now + 1) <= spec.get("StartTime", 0):
        raise validation("The end time must be after the start time.")
    try:
        following = _following(spec, now)(now)
    except ScheduleError as problem:
        raise validation(f"Invalid schedule expression: {problem}.") from None
    if following is None:
        raise validation("The schedule has no time in the future.")


def _following(spec: Mapping[str, Any], begun: float) -> Following:
    """Within StartTime and EndTime; at StartTime itself the action is carried out, too, where it recurs."""
    start, end = spec.get("StartTime"), spec.get("EndTime")
    recurs = not spec["Schedule"].startswith("at(")
    following = parse(spec["Schedule"], spec.get("Timezone", "UTC"), begun if start is None else start)

    def found(after: float) -> float | None:
        early = start if start is not None and after < start else None
        when = early if early is not None and recurs else following(after if early is None else early - 1)
        return None if when is None or (end is not None and when > end) else when

    return found


def _row(context: Context, target: Resource, spec: Document, due: float | None) -> Resource:
    return Resource(
        context.world,
        SCHEDULE,
        _key(spec),
        schedule_arn(context.world, spec),
        spec["ScheduledActionName"],
        parent=target.key,
        spec=spec,
        created=context.now,
        modified=context.now,
        due=due,
    )


def _key(document: Mapping[str, Any]) -> str:
    return f"{document['ScalableDimension']}|{document['ResourceId']}|{document['ScheduledActionName']}"


def _shown(row: Resource) -> Document:
    return {**row.spec, "ScheduledActionARN": row.arn, "CreationTime": row.created}
