"""What to do next with an inference component. Pure: a row, one look at the world and the time give a plan.

As with endpoints: a new specification comes up beside the one that serves and takes over (rolling.py); copies that go get no calls for
a while before they are asked to end. Copies for which the instances have no room wait, and the component says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagewright.features.components import rolling
from sagewright.features.components.copies import Copies, Crew
from sagewright.features.components.draft import DRAIN_SECONDS, Draft
from sagewright.features.components.sight import Action, Clear, Drop, Publish, Sight, Unpublish
from sagewright.kernel.controller import Plan
from sagewright.store.rows import Document, Resource

__all__ = ["DRAIN_SECONDS", "plan"]

ROOM_SECONDS = 5.0
"""Between two looks for room on the instances."""
STEADY_SECONDS = 30.0
"""Between two looks at a component that has no copies to look after."""
IN_PROGRESS = ("Creating", "Updating")
NO_ROOM = (
    "Waiting for capacity: {} of {} copies have room on the instances of the variant. Free capacity, add instances to the variant, or "
    "lower CopyCount or ComputeResourceRequirements."
)


def plan(resource: Resource, sight: Sight, now: float) -> Plan[Action]:
    """See the module docstring."""
    draft = Draft(resource, Copies.of(resource.status), sight, now)
    if resource.state == "Deleting":
        _give_up_everything(draft)
    else:
        _take_up(draft)
        rolling.advance(draft)
        _look_after(draft)
    draft.see_off()
    draft.actions += [Drop(generation) for generation in sorted(sight.kept - _kept(draft))]
    return _plan(draft)


def _kept(draft: Draft) -> set[int]:
    """Generations whose model may still be asked for: while there are instances, also by copies to come; never by leaving ones."""
    crews = [crew for crew in (draft.copies.active, draft.copies.target) if crew and crew.keeps]
    return {crew.generation for crew in crews if crew.slots or draft.sight.instances != 0}


def _take_up(draft: Draft) -> None:
    """A new specification becomes the target; both crews get the copies that are wanted and have room."""
    generation = draft.resource.spec.get("Generation", 1)
    if generation > draft.copies.generation and not (draft.sight.wanted or draft.sight.refusal):
        draft.look_again(draft.now + ROOM_SECONDS)  # the endpoint's instances are not there yet
    elif generation > draft.copies.generation:
        draft.copies = replace(draft.copies, generation=generation)
        draft.problem = None if draft.sight.wanted else draft.sight.refusal
        rolling.begin(draft, draft.sight.wanted)
    draft.resize()


def _look_after(draft: Draft) -> None:
    """Replaces what died of the active crew, for ever, and says who serves."""
    if draft.copies.active is None:
        return
    active, _ = draft.step_all(draft.copies.active, patient=True)
    draft.copies = replace(draft.copies, active=active)
    crews = [active] + [draft.copies.target] * (draft.copies.target is not None and draft.copies.rollout is not None)
    serving = tuple((crew.generation, slot.index, slot.attempt) for crew in crews if crew for slot in crew.slots if slot.served)
    draft.actions.append(Publish(serving, active.definition["Variant"]))
    draft.look_again(draft.now + STEADY_SECONDS)


def _give_up_everything(draft: Draft) -> None:
    """No new calls, and everything leaves now."""
    draft.actions.append(Unpublish())
    for crew in (draft.copies.active, draft.copies.target):
        if crew is not None:
            draft.leave(crew, crew.slots, draft.now)
    leaving = tuple(replace(entry, stop_at=min(entry.stop_at, draft.now)) for entry in draft.copies.leaving)
    draft.copies = replace(draft.copies, active=None, target=None, leaving=leaving, rollout=None)


def _plan(draft: Draft) -> Plan[Action]:
    """The plan as the loop takes it."""
    if draft.resource.state == "Deleting" and not draft.copies.leaving:
        return Plan((*draft.actions, Clear()), remove=True)
    state = _end_state(draft)
    status = _status(draft, state)
    if _waits(draft):
        draft.look_again(draft.now + ROOM_SECONDS)
    due = None if draft.due == float("inf") else max(draft.due, draft.now)
    return Plan(
        tuple(draft.actions),
        status if status != draft.resource.status else None,
        state if state != draft.resource.state else None,
        due,
    )


def _waits(draft: Draft) -> bool:
    """Whether copies have no room."""
    return draft.possible < draft.desired and (draft.copies.active or draft.copies.target) is not None


def _status(draft: Draft, state: str) -> Document:
    """The row's new status document."""
    resource, active, target = draft.resource, draft.copies.active, draft.copies.target
    status: dict[str, Any] = {**resource.status, "Copies": draft.copies.document()}
    current = sum(slot.served for slot in active.slots) if active else 0
    if active and target and draft.copies.rollout:
        current = min(draft.desired, current + sum(slot.served for slot in target.slots))
    status["RuntimeConfig"] = {"DesiredCopyCount": draft.desired, "CurrentCopyCount": current}
    shown = active or target
    if shown is not None:
        status |= _specification(resource.spec, shown)
    if draft.problem is not None:
        status["FailureReason"] = draft.problem[:1024]
    elif _waits(draft) and state != "Deleting":
        status["FailureReason"] = NO_ROOM.format(draft.possible, draft.desired)
    elif draft.waits and state != "Deleting":
        status["FailureReason"] = draft.waits
    elif state == "InService" and (resource.state in IN_PROGRESS or status.get("FailureReason", "").startswith(NO_ROOM[:20])):
        status.pop("FailureReason", None)
    return status


def _end_state(draft: Draft) -> str:
    """The component's status. A copy that is being replaced does not take a component out of service."""
    active, state = draft.copies.active, draft.resource.state
    if state not in IN_PROGRESS or draft.copies.target is not None:
        return state
    if active is None:
        return "Failed" if draft.problem is not None else state
    there = active.serves and len(active.slots) == draft.desired
    return "InService" if there or draft.problem is not None else state


def _specification(spec: Mapping[str, Any], crew: Crew) -> Document:
    """What DescribeInferenceComponent tells of what is deployed."""
    deployed = crew.definition.get("Specification", spec.get("Specification", {}))
    if "Specifications" not in spec:
        return {"Specification": _shown(deployed, crew)}
    others = [each for each in spec["Specifications"] if each["InstanceType"] != deployed["InstanceType"]]
    return {"Specifications": [_shown(deployed, crew), *(_shown(each, None) for each in others)]}


def _shown(specification: Mapping[str, Any], crew: Crew | None) -> Document:
    """As DescribeInferenceComponent has it: which image was deployed."""
    if "Container" not in specification:
        return dict(specification)
    container = {name: value for name, value in specification["Container"].items() if name != "Image"}
    if crew is None:
        return {**specification, "Container": container}
    image = crew.definition["Container"].get("Image", "")
    return {**specification, "Container": {**container, "DeployedImage": {"SpecifiedImage": image, "ResolvedImage": image}}}
