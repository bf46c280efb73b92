"""Weights and numbers of instances, as UpdateEndpointWeightsAndCapacities asks for them, and back when they cannot be had. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagewright.features.hosting import serverless
from sagewright.features.hosting.demand import Wanted
from sagewright.features.hosting.deployment import Fleet, VariantFleet
from sagewright.features.hosting.draft import Draft
from sagewright.features.hosting.managed import LOOK_SECONDS
from sagewright.features.hosting.rollout import Rollout


def change(draft: Draft, active: Fleet, spec: Mapping[str, Any]) -> None:
    """The active fleet as it is wished for; what it was is kept while instances that were asked for come up."""
    refused = spec.get("Wish", 0) and spec["Wish"] == draft.deployment.refused
    wishes, fresh = {} if refused else spec.get("Desired", {}), draft.fresh(active)
    changed = active.each(lambda variant: _as_wished(draft, active, variant, wishes.get(variant.name, {})))
    grown = [
        now.name
        for now, was in zip(changed.everything, active.everything, strict=True)
        if now.name in wishes and len(now.slots) > len(was.slots) and not now.serverless
    ]
    if grown and draft.state == "Updating":
        before = {variant.name: [len(variant.slots), variant.weight] for variant in active.everything if variant.name in wishes}
        rollout = Rollout(draft.now, draft.now, "Updating", fresh={name: fresh[name] for name in grown}, before=before)
        draft.change(rollout=rollout)
    draft.deployment = replace(draft.deployment, active=changed)


def take_back(draft: Draft, active: Fleet, problem: str) -> Fleet:
    """An instance that was added does not come up: weights and instances are again what they were (API DescribeEndpoint: RollingBack)."""
    rollout, before = draft.rollout, draft.rollout.before or {}
    former = active.each(lambda variant: _as_before(draft, active, variant, before.get(variant.name)))
    draft.problem = problem
    draft.deployment = replace(draft.deployment, active=former, refused=draft.wish)
    draft.change(rollout=replace(rollout, back=problem, fresh=None).enter("Deleting", draft.now))
    draft.look_again(draft.now)
    return former


def _as_wished(draft: Draft, fleet: Fleet, variant: VariantFleet, wish: Mapping[str, Any]) -> VariantFleet:
    """A serverless variant has what its callers need, one with managed scaling what its inference components do."""
    changed = replace(variant, weight=wish.get("DesiredWeight", variant.weight))
    if variant.serverless:
        demand = draft.sight.demand.get(variant.name, Wanted(variant.awake, float("inf")))
        draft.look_again(demand.until)
        changed = serverless.adjusted(changed, wish, demand.containers)
        return draft.resize(fleet, changed, serverless.size(changed))
    count = wish.get("DesiredInstanceCount", len(variant.slots))
    if variant.name in draft.sight.needed:
        draft.look_again(draft.now + LOOK_SECONDS)
        count = draft.sight.needed[variant.name]
    return draft.resize(fleet, changed, count)


def _as_before(draft: Draft, fleet: Fleet, variant: VariantFleet, was: Any) -> VariantFleet:
    count, weight = was or (len(variant.slots), variant.weight)
    return draft.resize(fleet, replace(variant, weight=weight), count)
