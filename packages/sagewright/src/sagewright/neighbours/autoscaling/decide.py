"""How much capacity a target should have: pure (Application Auto Scaling user guide, target tracking and step scaling).

Among policies the largest capacity wins; capacity is added as soon as one policy asks for it, and target tracking removes some only when
all of its policies agree. While a policy cools down after adding capacity, its next answer counts from where it began, so that only a
larger need adds more; while one cools down after removing, nothing more is removed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COOLDOWN = 300
"""Seconds, where a policy says nothing: the default of SageMaker's targets (API PutScalingPolicy)."""
_ROUNDING = 1e-9
"""So that 2 * (70 / 140) is one instance and not two."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An alarm of a policy: whether it is in ALARM, its threshold, the values of its evaluation periods, oldest first, and seconds
    between two evaluations."""

    name: str
    state: str
    threshold: float
    values: tuple[float, ...] = ()
    beat: float = 60.0


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy with what its alarms say. Target tracking has an upper and a lower alarm, step scaling any number in ``alarms``."""

    name: str
    config: Mapping[str, Any]
    tracking: bool
    alarms: tuple[Watched, ...]


@dataclass(frozen=True, slots=True)
class Cooling:
    """What was done last: until when (epoch seconds) it counts, and the capacity from before it."""

    out_until: float = 0.0
    base: int = 0
    in_until: float = 0.0

    def base_of(self, current: int, now: float) -> int:
        """What the next answer counts from."""
        return self.base if now < self.out_until else current


@dataclass(frozen=True, slots=True)
class Proposal:
    """A capacity, who asks for it, and how long it cools down. The present capacity: the bounds allow no more, or no less."""

    capacity: int
    policy: str
    alarm: str
    cooldown: float


@dataclass(frozen=True, slots=True)
class Limits:
    """The target's bounds, and which ways are open."""

    lowest: int
    highest: int
    out_suspended: bool = False
    in_suspended: bool = False

    def within(self, capacity: int) -> int:
        """The nearest capacity that is allowed."""
        return max(self.lowest, min(self.highest, capacity))


def decide(policies: Sequence[Policy], current: int, limits: Limits, cooling: Cooling, now: float) -> Proposal | None:
    """What to change the capacity to, or None when nobody asks for a change that is open."""
    base = cooling.base_of(current, now)
    up = [found for policy in policies for found in (_tracked_up if policy.tracking else _stepped)(policy, base)]
    more = [found for found in up if found.capacity > current]
    if more:
        return None if limits.out_suspended else _largest(more, current, limits)
    if limits.in_suspended or now < cooling.in_until:
        return None
    less = [found for policy in policies if not policy.tracking for found in _stepped(policy, current)]
    less += _tracked_down(policies, current)
    less = [found for found in less if found.capacity < current]
    return _largest(less, current, limits) if less else None


def _largest(found: Sequence[Proposal], current: int, limits: Limits) -> Proposal:
    """Bounds that lie beyond the present capacity do not turn more into less."""
    best = max(found, key=lambda proposal: proposal.capacity)
    capacity = limits.within(best.capacity)
    if (capacity > current) != (best.capacity > current):
        capacity = current
    return Proposal(capacity, best.policy, best.alarm, best.cooldown)


def _tracked_up(policy: Policy, base: int) -> list[Proposal]:
    """In proportion to metric and target, if the newest value is over it: the alarm's state may be a period old."""
    upper = policy.alarms[0]
    if upper.state != "ALARM" or not upper.values or upper.values[-1] <= upper.threshold:
        return []
    wanted = max(base + 1, _ceiling(base * upper.values[-1] / upper.threshold))
    return [Proposal(wanted, policy.name, upper.name, policy.config.get("ScaleOutCooldown", COOLDOWN))]


def _tracked_down(policies: Sequence[Policy], current: int) -> list[Proposal]:
    """What all policies that may remove capacity agree on: what the one that needs most still needs."""
    trackers = [policy for policy in policies if policy.tracking and not policy.config.get("DisableScaleIn")]
    if not trackers or any(policy.alarms[1].state != "ALARM" for policy in trackers):
        return []
    found = [
        Proposal(_needed(policy, current), policy.name, policy.alarms[1].name, policy.config.get("ScaleInCooldown", COOLDOWN))
        for policy in trackers
    ]
    return [max(found, key=lambda proposal: proposal.capacity)]


def _needed(policy: Policy, current: int) -> int:
    """By the largest of the lower alarm's values: what is removed must not bring the metric over the target."""
    upper, lower = policy.alarms
    return _ceiling(current * max(lower.values, default=0.0) / upper.threshold)


def _stepped(policy: Policy, base: int) -> list[Proposal]:
    found = []
    for alarm in policy.alarms:
        if alarm.state != "ALARM" or not alarm.values:
            continue
        beyond = _aggregated(policy.config, alarm.values) - alarm.threshold
        step = next((step for step in policy.config["StepAdjustments"] if _holds(step, beyond)), None)
        if step is not None:
            wanted = adjusted(policy.config, step["ScalingAdjustment"], base)
            found.append(Proposal(wanted, policy.name, alarm.name, policy.config.get("Cooldown", COOLDOWN)))
    return found


def _aggregated(config: Mapping[str, Any], values: Sequence[float]) -> float:
    match config.get("MetricAggregationType", "Average"):
        case "Minimum":
            return min(values)
        case "Maximum":
            return max(values)
        case _:
            return sum(values) / len(values)


def _holds(step: Mapping[str, Any], beyond: float) -> bool:
    """Above the threshold the lower bound belongs to a step, below it the upper one (API StepAdjustment)."""
    lower: float = step.get("MetricIntervalLowerBound", -math.inf)
    upper: float = step.get("MetricIntervalUpperBound", math.inf)
    return lower <= beyond < upper if beyond >= 0 else lower < beyond <= upper


def adjusted(config: Mapping[str, Any], adjustment: int, capacity: int) -> int:
    """The capacity after a step (API StepScalingPolicyConfiguration, AdjustmentType)."""
    match config["AdjustmentType"]:
        case "ExactCapacity":
            return max(0, adjustment)
        case "PercentChangeInCapacity":
            return max(0, capacity + _percent(config, adjustment, capacity))
        case _:
            return max(0, capacity + adjustment)


def _percent(config: Mapping[str, Any], adjustment: int, capacity: int) -> int:
    """Rounded towards zero, but at least one, and at least MinAdjustmentMagnitude."""
    exact = capacity * adjustment / 100
    if adjustment == 0:
        return 0
    least: int = config.get("MinAdjustmentMagnitude", 0)
    size = max(1, math.floor(abs(exact) + _ROUNDING), least)
    return size if adjustment > 0 else -size


def _ceiling(value: float) -> int:
    return math.ceil(value - _ROUNDING)
