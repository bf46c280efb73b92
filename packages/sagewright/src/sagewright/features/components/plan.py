"""What to do next with an inference component. Pure: a row, one look at the world and the time give a plan.

As with endpoints: a new specification comes up beside the one that serves and takes over when all its copies are healthy; copies that go
get no calls for a while before they are asked to end. Copies for which the instances have no room wait, and the component says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sagewright.features.components.copies import Copies, Crew, Leaving
from sagewright.features.components.sight import Act, Action, Clear, Publish, Sight, Unpublish
from sagewright.kernel.controller import Plan
from sagewright.serving.step import Slot, Step, step, step_out
from sagewright.store.rows import Document, Resource

DRAIN_SECONDS = 30.0
"""Between the change of routes and SIGTERM; with the grace it makes the 60 seconds that the longest call may take."""
ROOM_SECONDS = 5.0
"""Between two looks for room on the instances."""
STEADY_SECONDS = 30.0
"""Between two looks at a component that has no copies to look after."""
IN_PROGRESS = ("Creating", "Updating")
UNHEALTHY = "The container of inference component {} did not pass the ping health check. Please check CloudWatch logs for this inference component."
NO_ROOM = (
    "Waiting for capacity: {} of {} copies have room on the instances of the variant. Free capacity, add instances to the variant, or "
    "lower CopyCount or ComputeResourceRequirements."
)


def plan(resource: Resource, sight: Sight, now: float) -> Plan[Action]:
    """See the module docstring."""
    draft = _Draft(resource, Copies.of(resource.status), sight, now)
    if resource.state == "Deleting":
        draft.give_up_everything()
    else:
        draft.take_up()
        draft.bring_up()
        draft.look_after()
    draft.see_off()
    return draft.plan()


@dataclass(slots=True)
class _Draft:
    """A plan in the making; lives for one call of ``plan``."""

    resource: Resource
    copies: Copies
    sight: Sight
    now: float
    problem: str | None = None
    actions: list[Action] = field(default_factory=list)
    due: float = float("inf")

    @property
    def desired(self) -> int:
        """Copies that the user wants."""
        return int(self.resource.spec["RuntimeConfig"]["CopyCount"])

    @property
    def possible(self) -> int:
        """Those of them that have room."""
        return min(self.desired, self.sight.room)

    def take_up(self) -> None:
        """A new specification becomes the target; both crews get the copies that are wanted and have room."""
        generation = self.resource.spec.get("Generation", 1)
        if generation > self.copies.generation and not (self.sight.wanted or self.sight.refusal):
            self.due = self.now + ROOM_SECONDS  # the endpoint's instances are not there yet
        elif generation > self.copies.generation:
            old = self.copies.target
            self.copies = replace(self.copies, generation=generation, target=self.sight.wanted)
            self.problem = None if self.sight.wanted else self.sight.refusal
            if old is not None:
                self.leave(old, old.slots, self.now)
        active, target = self.copies.active, self.copies.target
        active, target = active and self.resized(active), target and self.resized(target)
        self.copies = replace(self.copies, active=active, target=target)

    def resized(self, crew: Crew) -> Crew:
        """With as many copies as are possible now."""
        going = [leaving.index for leaving in self.copies.leaving if leaving.generation == crew.generation]
        changed = crew.resized(self.possible, max(going, default=-1))
        self.leave(crew, crew.slots[len(changed.slots) :], self.now + DRAIN_SECONDS)
        return changed

    def bring_up(self) -> None:
        """Moves every copy of the target one step on; when all are healthy, the target takes over."""
        if self.copies.target is None:
            return
        target, problem = self.step_all(self.copies.target, patient=False)
        self.copies = replace(self.copies, target=target)
        if problem:
            self.problem = problem
            self.copies = replace(self.copies, target=None)
            self.leave(target, target.slots, self.now)
        elif target.serves and (target.slots or not self.desired):
            old = self.copies.active
            self.copies = replace(self.copies, active=target, target=None)
            if old is not None:
                self.leave(old, old.slots, self.now + DRAIN_SECONDS)

    def look_after(self) -> None:
        """Replaces what died of the active crew, for ever, and says who serves."""
        if self.copies.active is None:
            return
        active, _ = self.step_all(self.copies.active, patient=True)
        self.copies = replace(self.copies, active=active)
        serving = tuple((active.generation, slot.index, slot.attempt) for slot in active.slots if slot.served)
        self.actions.append(Publish(serving, active.definition["Variant"]))
        self.due = min(self.due, self.now + STEADY_SECONDS)

    def give_up_everything(self) -> None:
        """No new calls, and everything leaves now."""
        self.actions.append(Unpublish())
        for crew in (self.copies.active, self.copies.target):
            if crew is not None:
                self.leave(crew, crew.slots, self.now)
        leaving = tuple(replace(entry, stop_at=min(entry.stop_at, self.now)) for entry in self.copies.leaving)
        self.copies = replace(self.copies, active=None, target=None, leaving=leaving)

    def see_off(self) -> None:
        """Moves every leaving copy one step on."""
        staying = []
        for leaving in self.copies.leaving:
            key = (leaving.generation, leaving.index, leaving.attempt)
            taken = step_out(leaving.asked, leaving.stop_at, self.sight.of(key), self.now)
            self.actions += [Act(move, key) for move in taken.moves]
            if not taken.gone:
                staying.append(replace(leaving, asked=taken.asked))
                self.due = min(self.due, taken.due)
        self.copies = replace(self.copies, leaving=tuple(staying))

    def step_all(self, crew: Crew, *, patient: bool) -> tuple[Crew, str]:
        """One step of every copy of a crew, and the first reason for which one has failed."""
        steps = [self.step(crew, slot, patient) for slot in crew.slots]
        problem = next((taken.failed for taken in steps if taken.failed), "")
        return replace(crew, slots=tuple(taken.slot for taken in steps)), problem

    def step(self, crew: Crew, slot: Slot, patient: bool) -> Step:
        """One step of one copy."""
        key = (crew.generation, slot.index, slot.attempt)
        timeout = float(crew.definition["StartupTimeout"])
        unhealthy = UNHEALTHY.format(self.resource.name)
        taken = step(slot, self.sight.of(key), self.now, patient=patient, startup_timeout=timeout, unhealthy=unhealthy)
        self.actions += [Act(move, key, crew.definition) for move in taken.moves]
        self.due = min(self.due, taken.due)
        return taken

    def leave(self, crew: Crew, slots: tuple[Slot, ...], stop_at: float) -> None:
        """These copies leave."""
        going = tuple(Leaving(crew.generation, slot.index, slot.attempt, stop_at) for slot in slots)
        self.copies = replace(self.copies, leaving=self.copies.leaving + going)

    def plan(self) -> Plan[Action]:
        """The plan as the loop takes it."""
        if self.resource.state == "Deleting" and not self.copies.leaving:
            return Plan((*self.actions, Clear()), remove=True)
        state = self.end_state()
        status = self.status(state)
        if self.waits:
            self.due = min(self.due, self.now + ROOM_SECONDS)
        due = None if self.due == float("inf") else max(self.due, self.now)
        return Plan(
            tuple(self.actions),
            status if status != self.resource.status else None,
            state if state != self.resource.state else None,
            due,
        )

    @property
    def waits(self) -> bool:
        """Whether copies have no room."""
        return self.possible < self.desired and (self.copies.active or self.copies.target) is not None

    def status(self, state: str) -> Document:
        """The row's new status document."""
        active, target = self.copies.active, self.copies.target
        status: dict[str, Any] = {**self.resource.status, "Copies": self.copies.document()}
        current = sum(slot.served for slot in active.slots) if active else 0
        status["RuntimeConfig"] = {"DesiredCopyCount": self.desired, "CurrentCopyCount": current}
        shown = active or target
        if shown is not None:
            status["Specification"] = _shown(self.resource.spec["Specification"], shown)
        if self.problem is not None:
            status["FailureReason"] = self.problem[:1024]
        elif self.waits and state != "Deleting":
            status["FailureReason"] = NO_ROOM.format(self.possible, self.desired)
        elif state == "InService" and (
            self.resource.state in IN_PROGRESS or status.get("FailureReason", "").startswith(NO_ROOM[:20])
        ):
            status.pop("FailureReason", None)
        return status

    def end_state(self) -> str:
        """The component's status. A copy that is being replaced does not take a component out of service."""
        active, state = self.copies.active, self.resource.state
        if state not in IN_PROGRESS or self.copies.target is not None:
            return state
        if active is None:
            return "Failed" if self.problem is not None else state
        there = active.serves and len(active.slots) == self.desired
        return "InService" if there or self.problem is not None else state


def _shown(specification: Mapping[str, Any], crew: Crew) -> Document:
    """As DescribeInferenceComponent has it: which image was deployed."""
    if "Container" not in specification:
        return dict(specification)
    image = crew.definition["Container"].get("Image", "")
    container = {name: value for name, value in specification["Container"].items() if name != "Image"}
    return {**specification, "Container": {**container, "DeployedImage": {"SpecifiedImage": image, "ResolvedImage": image}}}
