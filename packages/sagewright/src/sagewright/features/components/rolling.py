"""How copies of a new specification take the place of the old ones (API InferenceComponentRollingUpdatePolicy). Pure.

Batch by batch: new copies come up beside the old ones and get calls with them, then they bake while alarms are watched, then as many
old copies leave. When an alarm goes off, a new copy fails for good or the time is over, old copies come back and the new ones leave.
Without a policy all copies come up at once, and the old ones leave when all are healthy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sagewright.features.components.copies import Crew, Rollout
from sagewright.features.components.draft import DRAIN_SECONDS, Draft
from sagewright.serving.batch import WHOLE, Size

ALARM_SECONDS = 1.0
"""Between two looks at the alarms."""
# AWS documents no wording for these.
ALARMED = "The update was rolled back because of the CloudWatch alarm(s) in state ALARM: {}."
TIMED_OUT = "The update was rolled back because it took longer than MaximumExecutionTimeoutInSeconds ({:.0f} seconds)."


@dataclass(frozen=True, slots=True)
class Policy:
    """``wait`` and ``timeout`` in seconds; ``back`` is the batch of the way back."""

    size: Size
    wait: float
    timeout: float = math.inf
    back: Size = WHOLE
    alarms: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Policy:
        """From a DeploymentConfig that has a RollingUpdatePolicy."""
        rolling = config["RollingUpdatePolicy"]
        back = Size.of(rolling["RollbackMaximumBatchSize"]) if "RollbackMaximumBatchSize" in rolling else WHOLE
        timeout = float(rolling.get("MaximumExecutionTimeoutInSeconds", math.inf))
        return cls(Size.of(rolling["MaximumBatchSize"]), float(rolling["WaitIntervalInSeconds"]), timeout, back, alarms(config))


def alarms(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the alarms that roll an update back."""
    return tuple(alarm["AlarmName"] for alarm in config.get("AutoRollbackConfiguration", {}).get("Alarms", ()))


def begin(draft: Draft, wanted: Crew | None) -> None:
    """A new specification becomes the target, or there is none because it cannot be."""
    old, active = draft.copies.target, draft.copies.active
    config, rollout = draft.resource.spec.get("DeploymentConfig", {}), None
    if wanted is not None and active is not None and active.slots and "RollingUpdatePolicy" in config:
        rollout = Rollout(draft.now, config, Policy.of(config).size.instances(draft.possible), len(active.slots))
    draft.copies = replace(draft.copies, target=wanted, rollout=rollout)
    if old is not None:
        draft.leave(old, old.slots, draft.now)


def advance(draft: Draft) -> None:
    """One step of the target."""
    rollout, target = draft.copies.rollout, draft.copies.target
    if target is None:
        return
    target, problem = draft.step_all(target, patient=bool(rollout and rollout.back))
    draft.copies = replace(draft.copies, target=target)
    if rollout is None:
        _at_once(draft, target, problem)
    elif rollout.back:
        _go_back(draft, rollout, target)
    elif problem := problem or _trouble(draft, rollout):
        draft.change(replace(rollout, back=problem, baking=0.0))
        draft.look_again(draft.now)
    else:
        _roll(draft, rollout, target)


def _at_once(draft: Draft, target: Crew, problem: str) -> None:
    if problem:
        draft.problem = problem
        draft.copies = replace(draft.copies, target=None)
        draft.leave(target, target.slots, draft.now)
    elif target.serves and (target.slots or not draft.desired):
        _take_over(draft, target)


def _take_over(draft: Draft, target: Crew) -> None:
    old = draft.copies.active
    draft.copies = replace(draft.copies, active=target, target=None, rollout=None)
    if old is not None:
        draft.leave(old, old.slots, draft.now + DRAIN_SECONDS)


def _trouble(draft: Draft, rollout: Rollout) -> str:
    policy = Policy.of(rollout.config)
    if draft.sight.alarms:
        return ALARMED.format(", ".join(draft.sight.alarms))
    if draft.now >= rollout.started + policy.timeout:
        return TIMED_OUT.format(policy.timeout)
    draft.look_again(min(rollout.started + policy.timeout, draft.now + ALARM_SECONDS if policy.alarms else math.inf))
    return ""


def _roll(draft: Draft, rollout: Rollout, target: Crew) -> None:
    """The next batch, when the last one is healthy and has baked."""
    if not target.serves or len(target.slots) < min(rollout.new, draft.possible):
        return
    policy = Policy.of(rollout.config)
    if not rollout.baking:
        rollout = replace(rollout, baking=draft.now)
        draft.change(rollout)
    if draft.now < rollout.baking + policy.wait:
        draft.look_again(rollout.baking + policy.wait)
    elif rollout.new >= draft.possible:
        _take_over(draft, target)
    else:
        kept = max(1, draft.possible - rollout.new)
        new = min(draft.possible, rollout.new + policy.size.instances(draft.possible))
        draft.change(replace(rollout, new=new, old=min(rollout.old, kept), baking=0.0))
        draft.look_again(draft.now)


def _go_back(draft: Draft, rollout: Rollout, target: Crew) -> None:
    """Old copies come up batch by batch, and as many new ones leave."""
    active = draft.copies.active
    if active is None or not active.serves or len(active.slots) < min(rollout.old, draft.possible):
        return
    if rollout.old >= draft.possible:
        draft.problem = rollout.back
        draft.copies = replace(draft.copies, target=None, rollout=None)
        draft.leave(target, target.slots, draft.now + DRAIN_SECONDS)
        return
    old = min(draft.possible, rollout.old + Policy.of(rollout.config).back.instances(draft.possible))
    draft.change(replace(rollout, old=old, new=max(0, draft.possible - rollout.old)))
    draft.look_again(draft.now)
