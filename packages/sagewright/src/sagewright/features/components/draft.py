"""A plan in the making: what the copies of a component need next. Which crew serves is decided elsewhere (rolling.py)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sagewright.features.components.copies import Copies, Crew, Leaving, Rollout
from sagewright.features.components.sight import Act, Action, Sight
from sagewright.serving.step import Slot, Step, step, step_out
from sagewright.store.rows import Resource

DRAIN_SECONDS = 30.0
"""Between the change of routes and SIGTERM; with the grace it makes the 60 seconds that the longest call may take."""
UNHEALTHY = "The container of inference component {} did not pass the ping health check. Please check CloudWatch logs for this inference component."


@dataclass(slots=True)
class Draft:
    """Lives for one call of ``plan``. ``problem`` is a FailureReason; ``due`` is when to look again, ``waits`` what keeps copies from
    being started."""

    resource: Resource
    copies: Copies
    sight: Sight
    now: float
    problem: str | None = None
    actions: list[Action] = field(default_factory=list)
    due: float = float("inf")
    waits: str = ""

    @property
    def desired(self) -> int:
        """Copies that the user wants."""
        return int(self.resource.spec["RuntimeConfig"]["CopyCount"])

    @property
    def possible(self) -> int:
        """Those of them that have room."""
        return min(self.desired, self.sight.room)

    def look_again(self, at: float) -> None:
        """Not later than this."""
        self.due = min(self.due, at)

    def change(self, rollout: Rollout) -> None:
        """Notes how far the update is."""
        self.copies = replace(self.copies, rollout=rollout)

    def resize(self) -> None:
        """Both crews get the copies that are wanted now and have room."""
        rollout = self.copies.rollout
        old, new = (rollout.old, rollout.new) if rollout else (self.possible, self.possible)
        active, target = self.copies.active, self.copies.target
        active, target = active and self._resized(active, old), target and self._resized(target, new)
        self.copies = replace(self.copies, active=active, target=target)

    def step_all(self, crew: Crew, *, patient: bool) -> tuple[Crew, str]:
        """One step of every copy of a crew, and the first reason for which one has failed."""
        steps = [self._step(crew, slot, patient) for slot in crew.slots]
        problem = next((taken.failed for taken in steps if taken.failed), "")
        self.waits = next((taken.waits for taken in steps if taken.waits), self.waits)
        return replace(crew, slots=tuple(taken.slot for taken in steps)), problem

    def leave(self, crew: Crew, slots: tuple[Slot, ...], stop_at: float) -> None:
        """These copies leave."""
        going = tuple(Leaving(crew.generation, slot.index, slot.attempt, stop_at) for slot in slots)
        self.copies = replace(self.copies, leaving=self.copies.leaving + going)

    def see_off(self) -> None:
        """Moves every leaving copy one step on."""
        staying = []
        for leaving in self.copies.leaving:
            key = (leaving.generation, leaving.index, leaving.attempt)
            taken = step_out(leaving.asked, leaving.stop_at, self.sight.of(key), self.now)
            self.actions += [Act(move, key) for move in taken.moves]
            if not taken.gone:
                staying.append(replace(leaving, asked=taken.asked))
                self.look_again(taken.due)
        self.copies = replace(self.copies, leaving=tuple(staying))

    def _resized(self, crew: Crew, count: int) -> Crew:
        going = [leaving.index for leaving in self.copies.leaving if leaving.generation == crew.generation]
        changed = crew.resized(min(count, self.possible), max(going, default=-1))
        self.leave(crew, crew.slots[len(changed.slots) :], self.now + DRAIN_SECONDS)
        return changed

    def _step(self, crew: Crew, slot: Slot, patient: bool) -> Step:
        key = (crew.generation, slot.index, slot.attempt)
        seen = self.sight.of(key)
        timeout = float(crew.definition["StartupTimeout"])
        unhealthy = UNHEALTHY.format(self.resource.name)
        taken = step(slot, seen, self.now, patient=patient, startup_timeout=timeout, unhealthy=unhealthy)
        self.actions += [Act(move, key, crew.definition) for move in taken.moves]
        self.look_again(taken.due)
        if patient and seen.model == "failed" and self.resource.state != "InService":
            self.waits = seen.problem  # it is tried again for ever; the user should see why nothing comes of it
        return taken
