"""How a target fleet takes over from the active one, step by step, and how it goes back. Pure, like all of the plan.

Blue/green: all replicas of the target come up beside the active ones; then the share of the calls that they get grows by the
steps of the policy, with a bake after each. Rolling: batch by batch, replicas come up, bake, and as many old ones leave. When an
alarm goes off in a bake, a replica of the target fails for good, or the time is over, the calls go back to the active fleet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagewright.features.hosting.deployment import Fleet, VariantFleet
from sagewright.features.hosting.draft import DRAIN_SECONDS, Draft
from sagewright.features.hosting.exclusions import in_force
from sagewright.features.hosting.rollout import Rollout

ALARM_SECONDS = 1.0
"""Between two looks at the alarms of a bake."""
# AWS documents no wording for the two reasons of its own.
ALARMED = "The deployment was rolled back because of the CloudWatch alarm(s) in state ALARM: {}."
TIMED_OUT = "The deployment was rolled back because it took longer than MaximumExecutionTimeoutInSeconds ({:.0f} seconds)."


def begin(draft: Draft, config: Mapping[str, Any]) -> None:
    """What is wanted becomes the target. A target that could not go back to the active fleet is given up now."""
    wanted, active = draft.sight.wanted, draft.deployment.active
    if draft.deployment.target is not None:
        draft.leave_all(draft.deployment.target, draft.now + DRAIN_SECONDS)
    if wanted is None:
        draft.problem = draft.sight.refusal
        draft.deployment = replace(draft.deployment, target=None, rollout=None)
        return
    rollout = Rollout(draft.now, draft.now, config=in_force(config, active, wanted) if active else {})
    if rollout.rolling and active:
        (new,), (old,) = wanted.variants, active.variants
        rollout = replace(rollout, full=len(new.slots), old=len(old.slots))
        first = replace(new, slots=new.slots[: rollout.policy.size.instances(rollout.full)])
        wanted = replace(wanted, variants=(first,))
    draft.deployment = replace(draft.deployment, target=wanted, rollout=rollout)


def advance(draft: Draft) -> None:
    """One step of the target: its replicas, then its share of the calls, or the way back."""
    if draft.deployment.target is None:
        return
    target, problem = draft.step_all(draft.deployment.target, patient=bool(draft.rollout.back))
    draft.deployment = replace(draft.deployment, target=target)
    if draft.rollout.stuck:
        return
    if draft.rollout.back:
        _go_on_back(draft, target)
        return
    problem = problem or _trouble(draft)
    if problem:
        _turn_back(draft, target, problem)
    else:
        _go_on(draft)


def stick(draft: Draft, problem: str) -> None:
    """The way back is closed as well: both fleets go on serving as they are (API DescribeEndpoint: UpdateRollbackFailed)."""
    draft.problem = f"{draft.rollout.back} The rollback failed: {problem}"
    draft.change(rollout=replace(draft.rollout, stuck=True))


def share(rollout: Rollout | None, variant: VariantFleet) -> float:
    """The part of a target variant's calls that it gets now."""
    if rollout is None or not rollout.step:
        return 0.0
    if rollout.rolling:
        return min(1.0, _served(variant) / max(rollout.full, 1)) if rollout.back else _rolled(rollout)
    return rollout.policy.share(len(variant.slots), rollout.step)


def activated(rollout: Rollout | None, variant: VariantFleet) -> int:
    """How many instances of a target variant are to get calls."""
    whole = rollout.full if rollout and rollout.rolling else len(variant.slots)
    return math.ceil(share(rollout, variant) * whole - 1e-9)


def _rolled(rollout: Rollout) -> float:
    return rollout.policy.share(rollout.full, rollout.step)


def _served(variant: VariantFleet) -> int:
    return sum(slot.served for slot in variant.slots)


def _trouble(draft: Draft) -> str:
    """Why the deployment goes back, or nothing. Alarms count as soon as there are calls (DG deployment-guardrails-configuration)."""
    rollout = draft.rollout
    if rollout.step and draft.sight.alarms:
        return ALARMED.format(", ".join(draft.sight.alarms))
    end = rollout.started + rollout.policy.timeout
    if draft.now >= end:
        return TIMED_OUT.format(rollout.policy.timeout)
    draft.look_again(end)
    return ""


def _go_on(draft: Draft) -> None:
    """As many steps as need no waiting: without a bake, all of them at once."""
    while (target := draft.deployment.target) is not None and _next(draft, target):
        pass


def _next(draft: Draft, target: Fleet) -> bool:
    """Takes one step if its time has come."""
    rollout = draft.rollout
    if rollout.stage == "Creating":
        return target.serves and _activate(draft, target)
    last = rollout.step >= rollout.policy.steps(_counts(rollout, target))
    bake = rollout.policy.bake(last=last)
    if rollout.stage == "ActivatingTraffic":
        if bake and draft.moved:  # written down first: whoever looks sees the calls move
            draft.look_again(draft.now)
            return False
        draft.change(rollout=rollout.enter("Baking", draft.now))
        return True
    if draft.now < rollout.since + bake:
        draft.look_again(min(rollout.since + bake, draft.now + ALARM_SECONDS if rollout.policy.alarms else math.inf))
        return False
    if not target.serves:  # a replica is being replaced; when that fails for good the deployment goes back
        return False
    return _take_over(draft, target) if last else _step_on(draft, target)


def _activate(draft: Draft, target: Fleet) -> bool:
    """All replicas wanted so far are healthy: the next share of the calls, or of a new endpoint all of them."""
    if draft.deployment.active is None:
        return _take_over(draft, target)
    draft.change(rollout=replace(draft.rollout, step=draft.rollout.step + 1).enter("ActivatingTraffic", draft.now))
    draft.moved = True
    return True


def _counts(rollout: Rollout, target: Fleet) -> list[int]:
    return [rollout.full] if rollout.rolling else [len(variant.slots) for variant in target.variants]


def _step_on(draft: Draft, target: Fleet) -> bool:
    """The next share of the calls; of a rolling deployment first the next batch, and as many old instances leave."""
    rollout, active = draft.rollout, draft.deployment.active
    if not rollout.rolling or active is None:
        return _activate(draft, target)
    (new,), (old,) = target.variants, active.variants
    more = min(rollout.full, (rollout.step + 1) * rollout.policy.size.instances(rollout.full))
    target = replace(target, variants=(draft.resize(target, new, more),))
    kept = max(1, math.ceil(rollout.old * (1 - _rolled(rollout)) - 1e-9))
    active = replace(active, variants=(draft.resize(active, old, min(kept, len(old.slots))),))
    draft.deployment = replace(draft.deployment, active=active, target=target, rollout=rollout.enter("Creating", draft.now))
    draft.look_again(draft.now)
    return False


def _take_over(draft: Draft, target: Fleet) -> bool:
    """The target is the active fleet, and the old one leaves."""
    old = draft.deployment.active
    draft.deployment = replace(draft.deployment, active=target, target=None, rollout=None)
    if old is not None:
        draft.leave_all(old, draft.now + DRAIN_SECONDS)
    return False


def _turn_back(draft: Draft, target: Fleet, problem: str) -> None:
    """The active fleet gets all calls again; one that has become smaller grows first, batch by batch."""
    draft.problem = problem
    rollout, active = draft.rollout, draft.deployment.active
    if active is None or not rollout.step:
        draft.deployment = replace(draft.deployment, target=None, rollout=None)
        draft.leave_all(target, draft.now)
        return
    rollout = replace(rollout, back=problem, fresh=draft.fresh(active)).enter("Deleting", draft.now)
    draft.change(rollout=rollout)
    draft.look_again(draft.now)
    if not rollout.rolling:
        _give_up(draft, target)


def _go_on_back(draft: Draft, target: Fleet) -> None:
    """The way back of a rolling deployment: old instances come up, new ones leave."""
    rollout, active = draft.rollout, draft.deployment.active
    draft.problem = rollout.back
    if active is None or not active.serves:
        return
    (old,), (new,) = active.variants, target.variants
    if len(old.slots) >= rollout.old:
        _give_up(draft, target)
        return
    left = math.ceil(rollout.full * (1 - len(old.slots) / rollout.old) - 1e-9)
    target = replace(target, variants=(draft.resize(target, new, min(left, len(new.slots))),))
    more = min(rollout.old, len(old.slots) + rollout.policy.back.instances(rollout.old))
    active = replace(active, variants=(draft.resize(active, old, more),))
    draft.deployment = replace(draft.deployment, active=active, target=target)
    draft.look_again(draft.now)


def _give_up(draft: Draft, target: Fleet) -> None:
    draft.deployment = replace(draft.deployment, target=None)
    draft.leave_all(target, draft.now + DRAIN_SECONDS)
    draft.look_again(draft.now)
