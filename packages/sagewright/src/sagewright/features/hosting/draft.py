"""A plan in the making: what a fleet's replicas need next. Which fleet serves is decided elsewhere (takeover.py)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sagewright.features.hosting import serverless
from sagewright.features.hosting.deployment import Deployment, Fleet, Leaving, Place, VariantFleet
from sagewright.features.hosting.rollout import Rollout
from sagewright.features.hosting.sight import Act, Action, Sight
from sagewright.serving.step import Slot, Step, step, step_out

DRAIN_SECONDS = 30.0
"""Between the change of routes and SIGTERM; with the grace it makes the 60 seconds that the longest call may take."""
UNHEALTHY = "The primary container for production variant {} did not pass the ping health check. Please check CloudWatch logs for this endpoint."


@dataclass(slots=True)
class Draft:
    """Lives for one call of ``plan``. ``problem`` is a FailureReason; ``due`` is when to look again. ``moved``: calls move.

    ``wish`` counts the changes of weights and capacities that were asked for. ``waits``: by variant, what keeps instances from being
    started.
    """

    deployment: Deployment
    sight: Sight
    now: float
    state: str
    problem: str | None = None
    actions: list[Action] = field(default_factory=list)
    due: float = float("inf")
    moved: bool = False
    wish: int = 0
    waits: dict[str, str] = field(default_factory=dict)

    @property
    def rollout(self) -> Rollout:
        """The one under way."""
        assert self.deployment.rollout is not None
        return self.deployment.rollout

    def change(self, *, rollout: Rollout | None) -> None:
        """Notes how far the deployment is."""
        self.deployment = replace(self.deployment, rollout=rollout)

    def look_again(self, at: float) -> None:
        """Not later than this."""
        self.due = min(self.due, at)

    def step_all(self, fleet: Fleet, *, patient: bool, fresh: Mapping[str, int] | None = None) -> tuple[Fleet, str]:
        """One step of every replica of a fleet, and the first reason for which one has failed.

        ``patient``: they are tried for ever, except those with an index from that on which ``fresh`` tells of their variant.
        """
        problems: list[str] = []

        def stepped(variant: VariantFleet) -> VariantFleet:
            first = (fresh or {}).get(variant.name, math.inf)
            steps = [self._step(fleet, variant, slot, patient and slot.index < first) for slot in variant.slots]
            problems.extend(taken.failed for taken in steps if taken.failed)
            waits = next((taken.waits for taken in steps if taken.waits), "")
            if waits:
                self.waits[variant.name] = waits
            return replace(variant, slots=tuple(taken.slot for taken in steps))

        return fleet.each(stepped), next(iter(problems), "")

    def resize(self, fleet: Fleet, variant: VariantFleet, count: int) -> VariantFleet:
        """The variant with ``count`` replicas; those that are too many leave after their calls."""
        changed = variant.resized(count, self._highest(fleet, variant))
        self.leave(fleet, replace(variant, slots=variant.slots[len(changed.slots) :]), self.now + DRAIN_SECONDS)
        return changed

    def fresh(self, fleet: Fleet) -> dict[str, int]:
        """The first index that a replica made from now on can have, by variant."""
        return {
            variant.name: 1 + max([slot.index for slot in variant.slots] + [self._highest(fleet, variant)], default=-1)
            for variant in fleet.everything
        }

    def leave_all(self, fleet: Fleet, stop_at: float) -> None:
        """Every replica of the fleet leaves."""
        for variant in fleet.everything:
            self.leave(fleet, variant, stop_at)

    def leave(self, fleet: Fleet, variant: VariantFleet, stop_at: float) -> None:
        """The variant's replicas leave."""
        going = tuple(Leaving(fleet.place(variant, slot), slot.attempt, stop_at) for slot in variant.slots)
        self.deployment = replace(self.deployment, leaving=self.deployment.leaving + going)

    def see_off(self) -> None:
        """Moves every leaving replica one step on."""
        staying = []
        for leaving in self.deployment.leaving:
            taken = step_out(leaving.asked, leaving.stop_at, self.sight.of(leaving.place, leaving.attempt), self.now)
            self.actions += [Act(move, leaving.place, leaving.attempt) for move in taken.moves]
            if not taken.gone:
                staying.append(replace(leaving, asked=taken.asked))
                self.look_again(taken.due)
        self.deployment = replace(self.deployment, leaving=tuple(staying))

    def _step(self, fleet: Fleet, variant: VariantFleet, slot: Slot, patient: bool) -> Step:
        place = fleet.place(variant, slot)
        seen, unhealthy = self.sight.of(place, slot.attempt), UNHEALTHY.format(variant.name)
        if slot not in variant.running:
            taken = serverless.lull(slot, seen, self.now)
        else:
            taken = step(slot, seen, self.now, patient=patient, startup_timeout=variant.startup_timeout, unhealthy=unhealthy)
            taken = serverless.hurried(taken, self.now) if variant.serverless and patient else taken
        self.actions += [Act(move, place, slot.attempt, variant) for move in taken.moves]
        self.look_again(taken.due)
        return taken

    def _highest(self, fleet: Fleet, variant: VariantFleet) -> int:
        """The highest index that still leaves: its name must not be used again."""
        places: list[Place] = [leaving.place for leaving in self.deployment.leaving]
        going = (place.index for place in places if (place.generation, place.variant) == (fleet.generation, variant.name))
        return max(going, default=-1)
