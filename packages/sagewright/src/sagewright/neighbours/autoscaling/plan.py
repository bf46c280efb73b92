"""What to do next with a scalable target: pure. A change of capacity is written down first, then asked for, then waited for.

So a crash between any two steps loses nothing and does nothing twice. What cannot be had yet stays Pending and says why.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.kernel.controller import Plan
from sagewright.neighbours.autoscaling.activities import FAILED, IN_PROGRESS, OVERRIDDEN, PENDING, SUCCESSFUL
from sagewright.neighbours.autoscaling.capacity import NOUNS, Capacity
from sagewright.neighbours.autoscaling.decide import Cooling, Limits, Policy, Proposal, decide
from sagewright.neighbours.autoscaling.rows import names
from sagewright.store.rows import Document, Resource

SOON = 1.0
"""Seconds between two looks at a change that is under way."""
QUIET = 60.0
"""Seconds between two looks when nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One look: the capacity (None: what was scaled is gone) and the policies with their alarms."""

    capacity: Capacity | None
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """Writes an activity down."""

    activity: Document


@dataclass(frozen=True, slots=True)
class SetCapacity:
    """Asks for a capacity, for an activity."""

    count: int
    activity: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Removes the target's policies, alarms and scheduled actions."""


Action = Record | SetCapacity | Forget


def plan(row: Resource, sight: Sight, now: float) -> Plan[Action]:
    """See the module docstring."""
    if sight.capacity is None:
        return Plan((Forget(),), remove=True)
    if "Activity" in row.status:
        return _go_on(row, row.status["Activity"], sight.capacity, now, _beat(sight))
    begun = _bounded(row, sight.capacity, now)
    found = _decided(row, sight, sight.capacity, now) if begun is None else None
    status = {**{name: value for name, value in row.status.items() if name != "Stuck"}, "Bounds": _bounds(row)}
    if found is not None and found.capacity == sight.capacity.desired:
        return _stuck(row, status, found, now, _next(sight, now))
    if found is not None:
        begun = _proposed(row, sight.capacity.desired, found, now)
    if begun is None:
        return Plan(status=status if status != row.status else None, due=_next(sight, now))
    return Plan((Record(_told(begun)),), {**status, "Activity": begun}, due=now)


def _bounded(row: Resource, capacity: Capacity, now: float) -> Document | None:
    """A capacity outside bounds that were changed is brought within them."""
    lowest, highest = _bounds(row)
    if row.status.get("Bounds") == [lowest, highest] or lowest <= capacity.desired <= highest:
        return None
    above = capacity.desired > highest
    cause = f"maximum capacity was set to {highest}" if above else f"minimum capacity was set to {lowest}"
    return _activity(row, capacity.desired, highest if above else lowest, cause, now)


def _decided(row: Resource, sight: Sight, capacity: Capacity, now: float) -> Proposal | None:
    """What the policies ask for; nothing while somebody else changes the endpoint."""
    if not capacity.steady:
        return None
    suspended = row.spec.get("SuspendedState", {})
    lowest, highest = _bounds(row)
    limits = Limits(
        lowest,
        highest,
        suspended.get("DynamicScalingOutSuspended", False),
        suspended.get("DynamicScalingInSuspended", False),
    )
    return decide(sight.policies, capacity.desired, limits, cooling_of(row), now)


def _stuck(row: Resource, status: Document, found: Proposal, now: float, due: float) -> Plan[Action]:
    """The bounds forbid what an alarm asks for: an activity that was not carried out tells so, once."""
    lowest, highest = _bounds(row)
    reason: Document = {"Code": "AlreadyAtMaxCapacity", "MaxCapacity": highest}
    if found.capacity < highest:
        reason = {"Code": "AlreadyAtMinCapacity", "MinCapacity": lowest}
    stuck = {"Alarm": found.alarm, "Code": reason["Code"]}
    status = {**status, "Stuck": stuck}
    if row.status.get("Stuck") == stuck:
        return Plan(status=status if status != row.status else None, due=due)
    told = {
        **_activity(row, found.capacity, found.capacity, _cause(found), now),
        "Description": "Attempting to scale due to alarm triggered",
        "StatusCode": FAILED,
        "EndTime": now,
        "NotScaledReasons": [reason],
    }
    return Plan((Record(_told(told)),), status, due=due)


def _cause(found: Proposal) -> str:
    return f"monitor alarm {found.alarm} in state ALARM triggered policy {found.policy}"


def _proposed(row: Resource, current: int, found: Proposal, now: float) -> Document:
    base = cooling_of(row).base_of(current, now)
    return {**_activity(row, current, found.capacity, _cause(found), now), "Cooldown": found.cooldown, "Base": base}


def _activity(row: Resource, current: int, wanted: int, cause: str, now: float) -> Document:
    """Its id follows from what it is, so that making it twice makes one."""
    return {
        "ActivityId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{row.arn}/{now}/{current}/{wanted}")),
        **names(row.spec),
        "Description": f"Setting desired {NOUNS[row.spec['ScalableDimension']]} to {wanted}.",
        "Cause": cause,
        "StartTime": now,
        "StatusCode": PENDING,
        "StatusMessage": "",
        "From": current,
        "To": wanted,
    }


def _go_on(row: Resource, activity: Mapping[str, Any], capacity: Capacity, now: float, beat: float) -> Plan[Action]:
    """The next step of the change that is under way."""
    wanted = activity["To"]
    reached = capacity.steady and capacity.desired == wanted
    if activity["StatusCode"] == PENDING and not reached:
        if not capacity.steady:
            return _waiting(row, activity, f"Waiting: the endpoint is {capacity.status}.", now)
        begun = {**activity, "StatusCode": IN_PROGRESS, "StatusMessage": _under_way(row, wanted)}
        actions = (SetCapacity(wanted, activity["ActivityId"]), Record(_told(begun)))
        return Plan(actions, {**row.status, "Activity": begun}, due=now)
    if reached:
        return _ended(row, activity, now, beat)
    if capacity.steady:
        return _overridden(row, activity, capacity, now)
    message = f"{_under_way(row, wanted)} {capacity.current} in service."
    return _waiting(row, activity, message, now)


def _waiting(row: Resource, activity: Mapping[str, Any], message: str, now: float) -> Plan[Action]:
    if activity["StatusMessage"] == message:
        return Plan(due=now + SOON)
    told = {**activity, "StatusMessage": message}
    return Plan((Record(_told(told)),), {**row.status, "Activity": told}, due=now + SOON)


def _ended(row: Resource, activity: Mapping[str, Any], now: float, beat: float) -> Plan[Action]:
    """The next decision is for the next period's data."""
    noun, wanted = NOUNS[row.spec["ScalableDimension"]], activity["To"]
    message = f"Successfully set desired {noun} to {wanted}. Change successfully fulfilled by sagemaker."
    ended = {**activity, "StatusCode": SUCCESSFUL, "StatusMessage": message, "EndTime": now}
    status = {name: value for name, value in row.status.items() if name != "Activity"}
    if "Cooldown" in activity:
        status["Cooling"] = _cooled(activity, now)
    return Plan((Record(_told(ended)),), status, due=now + beat)


def _overridden(row: Resource, activity: Mapping[str, Any], capacity: Capacity, now: float) -> Plan[Action]:
    message = f"The capacity became {capacity.desired} meanwhile."
    ended = {**activity, "StatusCode": OVERRIDDEN, "StatusMessage": message, "EndTime": now}
    status = {name: value for name, value in row.status.items() if name != "Activity"}
    return Plan((Record(_told(ended)),), status, due=now)


def _cooled(activity: Mapping[str, Any], now: float) -> Document:
    """Adding capacity ends the time in which nothing more may be removed."""
    until = now + activity["Cooldown"]
    if activity["To"] > activity["From"]:
        return {"OutUntil": until, "Base": activity["Base"], "InUntil": 0.0}
    return {"OutUntil": 0.0, "Base": 0, "InUntil": until}


def cooling_of(row: Resource) -> Cooling:
    """What the row remembers of the last change."""
    known = row.status.get("Cooling")
    return Cooling() if known is None else Cooling(known["OutUntil"], known["Base"], known["InUntil"])


def _next(sight: Sight, now: float) -> float:
    """An alarm that stays in ALARM is heard again each period."""
    if sight.capacity is not None and not sight.capacity.steady:
        return now + SOON
    alarmed = any(alarm.state == "ALARM" for policy in sight.policies for alarm in policy.alarms)
    return now + (_beat(sight) if alarmed else QUIET)


def _beat(sight: Sight) -> float:
    return min((alarm.beat for policy in sight.policies for alarm in policy.alarms), default=QUIET)


def _bounds(row: Resource) -> list[int]:
    return [row.spec["MinCapacity"], row.spec["MaxCapacity"]]


def _under_way(row: Resource, wanted: int) -> str:
    return f"Setting desired {NOUNS[row.spec['ScalableDimension']]} to {wanted}."


def _told(activity: Mapping[str, Any]) -> Document:
    """Without what only we remember."""
    return {name: value for name, value in activity.items() if name not in ("From", "To", "Cooldown", "Base")}
