"""What to do next with an endpoint. Pure: a row, one look at the world and the time give a plan.

An endpoint has at most one fleet that serves (active) and one that is to take over (target). How the target does so is told in
takeover.py; when it fails, it leaves, and the active fleet goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagewright.features.hosting import capacity, takeover
from sagewright.features.hosting.capture import capture_summary, captured
from sagewright.features.hosting.deployment import Deployment, Fleet, VariantFleet
from sagewright.features.hosting.draft import DRAIN_SECONDS, Draft
from sagewright.features.hosting.sight import Action, Clear, Publish, Routed, Sight, Unpublish
from sagewright.features.hosting.summary import pending, summary, waiting
from sagewright.kernel.controller import Plan
from sagewright.store.rows import Document, Resource

__all__ = ["DRAIN_SECONDS", "IN_PROGRESS", "plan"]

IN_PROGRESS = ("Creating", "Updating", "RollingBack")
ASLEEP_SECONDS = 60.0
"""Between two looks at an endpoint without containers: one that serves is never settled, or the next control would not know its routes."""


def plan(resource: Resource, sight: Sight, now: float) -> Plan[Action]:
    """See the module docstring."""
    draft = Draft(Deployment.of(resource.status), sight, now, resource.state, wish=resource.spec.get("Wish", 0))
    if resource.state == "Deleting":
        _give_up_everything(draft)
    else:
        _take_up(draft, resource.spec)
        takeover.advance(draft)
        _look_after(draft)
    draft.see_off()
    return _plan(draft, resource)


def _take_up(draft: Draft, spec: Mapping[str, Any]) -> None:
    """A new generation becomes the target; a change of weights or counts changes the active fleet."""
    generation = spec.get("Generation", 1)
    if generation > draft.deployment.generation:
        takeover.begin(draft, spec.get("DeploymentConfig", {}))
        draft.deployment = replace(draft.deployment, generation=generation)
    active = draft.deployment.active
    if active is not None and draft.deployment.target is None:
        capacity.change(draft, active, spec)


def _look_after(draft: Draft) -> None:
    """Replaces what died of the active fleet, for ever, and says who serves."""
    active, rollout = draft.deployment.active, draft.deployment.rollout
    if active is None:
        return
    fresh = rollout.fresh if rollout is not None and not rollout.stuck else None
    active, problem = draft.step_all(active, patient=True, fresh=fresh)
    draft.deployment = replace(draft.deployment, active=active)
    if problem and rollout is not None and rollout.stage == "Updating":
        active = capacity.take_back(draft, active, problem)
    elif problem:
        takeover.stick(draft, problem)
    for variant in active.variants:
        if variant.serverless and variant.name not in draft.sight.demand:
            draft.look_again(draft.now)  # it has just begun to serve: what is needed of it is told with the next look
    draft.look_again(draft.now + ASLEEP_SECONDS)
    draft.actions.append(_publish(draft, active))


def _publish(draft: Draft, active: Fleet) -> Publish:
    target = draft.deployment.target
    # The first fleet's metrics tell its configuration only while another takes over (DG deployment-guardrails-configuration).
    told = active.config if active.generation > 1 or target is not None else ""
    variants = []
    for variant in active.variants:
        routed, new = _routed(active, variant, told), target.variant(variant.name) if target else None
        share = takeover.share(draft.deployment.rollout, new) if new else 0.0
        if target and new and share:
            few = replace(new, slots=new.slots[: takeover.activated(draft.deployment.rollout, new)])
            routed = replace(routed, green=_routed(target, few, target.config), share=share)
        variants.append(routed)
    shadows = tuple(_shadowing(active, shadow, told) for shadow in active.shadows)
    return Publish(tuple(variants), shadows, captured(active.capture), active.asynchronous, active.metrics)


def _shadowing(fleet: Fleet, shadow: VariantFleet, config: str) -> Routed:
    """Its weight, beside that of the variant it follows, is the part of the calls that it gets copies of."""
    whole = sum(variant.weight for variant in fleet.variants) or 1.0
    return replace(_routed(fleet, shadow, config), share=min(1.0, shadow.weight / whole))


def _routed(fleet: Fleet, variant: VariantFleet, config: str) -> Routed:
    replicas = tuple((fleet.place(variant, slot), slot.attempt) for slot in variant.slots if slot.served)
    return Routed(variant, replicas, config)


def _give_up_everything(draft: Draft) -> None:
    """No new calls, and everything leaves now."""
    draft.actions.append(Unpublish())
    for fleet in (draft.deployment.active, draft.deployment.target):
        if fleet is not None:
            draft.leave_all(fleet, draft.now)
    leaving = tuple(replace(entry, stop_at=min(entry.stop_at, draft.now)) for entry in draft.deployment.leaving)
    draft.deployment = replace(draft.deployment, active=None, target=None, leaving=leaving, rollout=None)


def _plan(draft: Draft, resource: Resource) -> Plan[Action]:
    """The plan as the loop takes it."""
    if draft.state == "Deleting" and not draft.deployment.leaving:
        return Plan((*draft.actions, Clear()), remove=True)
    state = _end_state(draft)
    status = _status(draft, resource, state)
    due = None if draft.due == float("inf") else max(draft.due, draft.now)
    return Plan(
        tuple(draft.actions),
        status if status != resource.status else None,
        state if state != resource.state else None,
        due,
    )


def _end_state(draft: Draft) -> str:
    """The endpoint's status. A replica that is being replaced does not take an endpoint out of service."""
    active, rollout = draft.deployment.active, draft.deployment.rollout
    if draft.state not in IN_PROGRESS:
        return draft.state
    if rollout is not None and rollout.stuck:
        return "UpdateRollbackFailed"
    if rollout is not None and rollout.back and (draft.deployment.target is not None or draft.state != "RollingBack"):
        return "RollingBack"
    if draft.deployment.target is not None:
        return draft.state
    if active is None:
        return "Failed" if draft.problem is not None else draft.state
    gone_back = rollout is not None and bool(rollout.back)
    return "InService" if active.serves or draft.problem is not None or gone_back else draft.state


def _status(draft: Draft, resource: Resource, state: str) -> Document:
    """The row's new status document."""
    succeeded = state == "InService" and draft.state in ("Creating", "Updating") and draft.problem is None
    if state == "InService":
        draft.change(rollout=None)  # of a deployment that went back: told, and done with
    status = {**resource.status, "Deployment": draft.deployment.document()}
    for member in ("DataCaptureConfig", "MetricsConfig"):
        status.pop(member, None)
    if draft.problem is not None:
        status["FailureReason"] = draft.problem[:1024]
    elif succeeded:
        status.pop("FailureReason", None)
    active, target = draft.deployment.active, draft.deployment.target
    if active is not None:
        status["EndpointConfigName"] = active.config
        status.pop("AsyncInferenceConfig", None)
        if active.asynchronous:
            status["AsyncInferenceConfig"] = active.asynchronous
        status |= capture_summary(active.capture)
        status |= {"MetricsConfig": active.metrics} if active.metrics else {}
    shown = active or target
    if shown is not None:
        creating = draft.deployment.rollout if active is None else None
        updating = draft.deployment.rollout if active is not None and target is None and state == "Updating" else None
        status |= summary(shown, resource.spec, creating, updating)
        if not shown.shadows:
            status.pop("ShadowProductionVariants", None)
    status.pop("PendingDeploymentSummary", None)
    if active is not None and target is not None:
        status["PendingDeploymentSummary"] = pending(target, resource.spec, draft.deployment.rollout)
        waiting(status["PendingDeploymentSummary"], resource.status.get("PendingDeploymentSummary", {}), draft.waits, draft.now)
    waiting(status, resource.status, draft.waits, draft.now)
    return status
