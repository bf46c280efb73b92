"""What to do next with an endpoint. Pure: a row, one look at the world and the time give a plan.

An endpoint has at most one fleet that serves (active) and one that is to take over (target). An update is blue/green, all at
once: the target's replicas come up beside the active ones, the routes change in one step when every one of them is healthy, and
the old ones leave after the calls they hold. When the target fails, it leaves and the active fleet never noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sagewright.features.hosting import serverless
from sagewright.features.hosting.demand import Wanted
from sagewright.features.hosting.deployment import Deployment, Fleet, Leaving, VariantFleet
from sagewright.features.hosting.sight import Act, Action, Clear, Publish, Routed, Sight, Unpublish
from sagewright.features.hosting.summary import summary
from sagewright.kernel.controller import Plan
from sagewright.serving.step import Slot, Step, step, step_out
from sagewright.store.rows import Document, Resource

DRAIN_SECONDS = 30.0
"""Between the change of routes and SIGTERM; with the grace it makes the 60 seconds that the longest call may take."""
IN_PROGRESS = ("Creating", "Updating")
UNHEALTHY = "The primary container for production variant {} did not pass the ping health check. Please check CloudWatch logs for this endpoint."


def plan(resource: Resource, sight: Sight, now: float) -> Plan[Action]:
    """See the module docstring."""
    draft = _Draft(Deployment.of(resource.status), sight, now, resource.state)
    if resource.state == "Deleting":
        draft.give_up_everything()
    else:
        draft.take_up(resource.spec)
        draft.bring_up()
        draft.look_after()
    draft.see_off()
    return draft.plan(resource)


@dataclass(slots=True)
class _Draft:
    """A plan in the making; lives for one call of ``plan``."""

    deployment: Deployment
    sight: Sight
    now: float
    state: str
    problem: str | None = None
    actions: list[Action] = field(default_factory=list)
    due: float = float("inf")

    def take_up(self, spec: Mapping[str, Any]) -> None:
        """A new generation becomes the target; a change of weights or counts changes the active fleet."""
        generation = spec.get("Generation", 1)
        if generation > self.deployment.generation:
            self.deployment = replace(self.deployment, generation=generation, target=self.sight.wanted)
            self.problem = None if self.sight.wanted else self.sight.refusal
        active = self.deployment.active
        if active is not None and active.generation == generation:
            variants = tuple(self.adjust(active, variant, spec.get("Desired", {})) for variant in active.variants)
            self.deployment = replace(self.deployment, active=replace(active, variants=variants))

    def adjust(self, fleet: Fleet, variant: VariantFleet, desired: Mapping[str, Any]) -> VariantFleet:
        """Weight and number of replicas as UpdateEndpointWeightsAndCapacities asks for."""
        wish = desired.get(variant.name, {})
        changed = replace(variant, weight=wish.get("DesiredWeight", variant.weight))
        going = [leaving.place.index for leaving in self.deployment.leaving if leaving.place.variant == variant.name]
        highest = max(going, default=-1)
        if variant.serverless:
            demand = self.sight.demand.get(variant.name, Wanted(variant.awake, float("inf")))
            self.due = min(self.due, demand.until)
            changed = serverless.adjusted(changed, wish, demand.containers, highest)
        else:
            changed = changed.resized(wish.get("DesiredInstanceCount", len(variant.slots)), highest)
        self.leave(fleet, replace(variant, slots=variant.slots[len(changed.slots) :]), self.now + DRAIN_SECONDS)
        return changed

    def bring_up(self) -> None:
        """Moves every replica of the target one step on; when all are healthy, the target takes over."""
        if self.deployment.target is None:
            return
        target, problem = self.step_all(self.deployment.target, patient=False)
        self.deployment = replace(self.deployment, target=target)
        if problem:
            self.problem = problem
            self.deployment = replace(self.deployment, target=None)
            self.leave_all(target, self.now)
        elif target.serves:
            old = self.deployment.active
            self.deployment = replace(self.deployment, active=target, target=None)
            if old is not None:
                self.leave_all(old, self.now + DRAIN_SECONDS)

    def look_after(self) -> None:
        """Replaces what died of the active fleet, for ever, and says who serves."""
        if self.deployment.active is None:
            return
        active, _ = self.step_all(self.deployment.active, patient=True)
        self.deployment = replace(self.deployment, active=active)
        routed = tuple(_routed(active, variant) for variant in active.variants)
        self.actions.append(Publish(routed, active.asynchronous))

    def give_up_everything(self) -> None:
        """No new calls, and everything leaves now."""
        self.actions.append(Unpublish())
        for fleet in (self.deployment.active, self.deployment.target):
            if fleet is not None:
                self.leave_all(fleet, self.now)
        leaving = tuple(replace(entry, stop_at=min(entry.stop_at, self.now)) for entry in self.deployment.leaving)
        self.deployment = replace(self.deployment, active=None, target=None, leaving=leaving)

    def see_off(self) -> None:
        """Moves every leaving replica one step on."""
        staying = []
        for leaving in self.deployment.leaving:
            taken = step_out(leaving.asked, leaving.stop_at, self.sight.of(leaving.place, leaving.attempt), self.now)
            self.actions += [Act(move, leaving.place, leaving.attempt) for move in taken.moves]
            if not taken.gone:
                staying.append(replace(leaving, asked=taken.asked))
                self.due = min(self.due, taken.due)
        self.deployment = replace(self.deployment, leaving=tuple(staying))

    def step_all(self, fleet: Fleet, *, patient: bool) -> tuple[Fleet, str]:
        """One step of every replica of a fleet, and the first reason for which one has failed."""
        problem = ""
        variants = []
        for variant in fleet.variants:
            steps = [self.step(fleet, variant, slot, patient) for slot in variant.slots]
            problem = problem or next((taken.failed for taken in steps if taken.failed), "")
            variants.append(replace(variant, slots=tuple(taken.slot for taken in steps)))
        return replace(fleet, variants=tuple(variants)), problem

    def step(self, fleet: Fleet, variant: VariantFleet, slot: Slot, patient: bool) -> Step:
        """One step of one replica."""
        place = fleet.place(variant, slot)
        seen = self.sight.of(place, slot.attempt)
        if slot not in variant.running:
            taken = serverless.lull(slot, seen, self.now)
        else:
            taken = step(
                slot,
                seen,
                self.now,
                patient=patient,
                startup_timeout=variant.startup_timeout,
                unhealthy=UNHEALTHY.format(variant.name),
            )
            taken = serverless.hurried(taken, self.now) if variant.serverless and patient else taken
        self.actions += [Act(move, place, slot.attempt, variant) for move in taken.moves]
        self.due = min(self.due, taken.due)
        return taken

    def leave_all(self, fleet: Fleet, stop_at: float) -> None:
        """Every replica of the fleet leaves."""
        for variant in fleet.variants:
            self.leave(fleet, variant, stop_at)

    def leave(self, fleet: Fleet, variant: VariantFleet, stop_at: float) -> None:
        """The variant's replicas leave."""
        going = tuple(Leaving(fleet.place(variant, slot), slot.attempt, stop_at) for slot in variant.slots)
        self.deployment = replace(self.deployment, leaving=self.deployment.leaving + going)

    def plan(self, resource: Resource) -> Plan[Action]:
        """The plan as the loop takes it."""
        if self.state == "Deleting" and not self.deployment.leaving:
            return Plan((*self.actions, Clear()), remove=True)
        state, status = self.end_state(), self.status(resource)
        due = None if self.due == float("inf") else max(self.due, self.now)
        return Plan(
            tuple(self.actions),
            status if status != resource.status else None,
            state if state != resource.state else None,
            due,
        )

    def status(self, resource: Resource) -> Document:
        """The row's new status document."""
        status = {**resource.status, "Deployment": self.deployment.document()}
        if self.problem is not None:
            status["FailureReason"] = self.problem[:1024]
        elif self.end_state() == "InService" and self.state in IN_PROGRESS:
            status.pop("FailureReason", None)
        if self.deployment.active is not None:
            status["EndpointConfigName"] = self.deployment.active.config
        active, target = self.deployment.active, self.deployment.target
        shown = active or target
        if shown is not None:
            status["ProductionVariants"] = summary(shown, resource.spec, creating=active is None)
        status.pop("PendingDeploymentSummary", None)
        if active is not None and target is not None:
            variants = summary(target, resource.spec, creating=True)
            status["PendingDeploymentSummary"] = {"EndpointConfigName": target.config, "ProductionVariants": variants}
        return status

    def end_state(self) -> str:
        """The endpoint's status. A replica that is being replaced does not take an endpoint out of service."""
        active = self.deployment.active
        if self.state not in IN_PROGRESS or self.deployment.target is not None:
            return self.state
        if active is None:
            return "Failed" if self.problem is not None else self.state
        return "InService" if active.serves or self.problem is not None else self.state


def _routed(fleet: Fleet, variant: VariantFleet) -> Routed:
    return Routed(variant, tuple((fleet.place(variant, slot), slot.attempt) for slot in variant.slots if slot.served))
