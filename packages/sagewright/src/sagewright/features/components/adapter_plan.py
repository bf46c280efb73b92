"""What to do next with an adapter. Pure: a row, one look at the copies of its base and the time give a plan.

A new archive is loaded beside the old one and takes over when every copy has it; one that cannot be loaded changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from sagewright.features.components.adapter import Abandon, AdapterAction, AdapterSight, Answer, Artefact, Held, Load, Unload
from sagewright.features.components.sight import Clear, Unpublish
from sagewright.kernel.controller import Plan
from sagewright.store.rows import Document, Resource

IN_PROGRESS = ("Creating", "Updating")
DRAIN_SECONDS = 30.0
"""Between the change of routes and the end of the old archive: a call may have read the routes before."""
WAIT_SECONDS = 1.0
WATCH_SECONDS = 5.0
"""Between two looks at copies that have everything; a change of the base's copies is told at once."""

Action = AdapterAction | Unpublish | Clear


def plan(row: Resource, sight: AdapterSight, now: float) -> Plan[Action]:
    """See the module docstring."""
    held, wanted = Held.of(row.status), Artefact.wanted(row)
    if row.state == "Deleting":
        return _deleted(sight, held, wanted)
    if row.state == "Failed":
        return Plan((Abandon(),))
    target = held.artefact if held.refused == row.spec.get("Generation", 1) and held.artefact else wanted
    missing = [place for place in sight.places if place.stays and target.identifier not in place.loaded]
    problem = sight.refusal or next((place.problem for place in missing if place.problem), "")
    state, reason = row.state, row.status.get("FailureReason", "")
    if row.state in IN_PROGRESS and problem:
        held, state, reason = replace(held, refused=row.spec.get("Generation", 1)), _without(held), problem
    elif row.state in IN_PROGRESS and sight.ready and not missing:
        held, state, reason = Held(target, now), "InService", ""
    actions: list[Action] = [Load(place.key, target) for place in missing] if state != "Failed" else [Abandon()]
    actions += _serve(sight, held)
    actions += _clean(sight, held, target, now)
    status: Document = {key: value for key, value in row.status.items() if key != "FailureReason"}
    status |= {"Adapter": held.document(), "Specification": row.spec["Specification"]}
    if reason:
        status["FailureReason"] = reason[:1024]
    steady = state == "InService" and not missing
    due = None if state == "Failed" else now + (WATCH_SECONDS if steady else WAIT_SECONDS)
    return Plan(tuple(actions), status if status != row.status else None, state if state != row.state else None, due)


def _without(held: Held) -> str:
    """The state of an adapter whose new archive cannot be loaded."""
    return "InService" if held.artefact else "Failed"


def _serve(sight: AdapterSight, held: Held) -> list[Action]:
    """The copies that get the base's calls answer; while none of those has it yet, the ones that are on their way out."""
    if held.artefact is None:
        return []
    having = [place for place in sight.places if held.artefact.identifier in place.loaded]
    chosen = [place for place in having if place.active] or [place for place in having if not place.stays]
    return [Answer(tuple(place.key for place in chosen), held.artefact.identifier, sight.variant)]


def _clean(sight: AdapterSight, held: Held, target: Artefact, now: float) -> list[Action]:
    if now < held.since + DRAIN_SECONDS:
        return []
    kept = {target.identifier, held.artefact.identifier if held.artefact else ""}
    return [Unload(place.key, old) for place in sight.places for old in sorted(place.loaded - kept)]


def _deleted(sight: AdapterSight, held: Held, wanted: Artefact) -> Plan[Action]:
    """Everything goes at once: what runs keeps the weights it began with. Also what may be loaded without having been noted."""
    identifiers = {wanted.identifier, *((held.artefact.identifier,) if held.artefact else ())}
    unloads = [Unload(place.key, old) for place in sight.places for old in sorted(identifiers | place.loaded)]
    return Plan((Unpublish(), Abandon(), *unloads, Clear()), remove=True)
