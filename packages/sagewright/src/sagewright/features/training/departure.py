"""What to do next while an attempt at a training job gives way to another (leaving.py). Pure, like plan.py, which asks here."""

from __future__ import annotations

from sagewright.features.training import leaving, moves, outcome, progress
from sagewright.features.training.moves import JobPlan
from sagewright.features.training.sight import Reset, Save, Sight
from sagewright.jobs import steps
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errand
from sagewright.store.rows import Resource


def plan(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """Containers are told to end; what they leave is saved; then everything begins anew."""
    run = resource.status["Run"]
    if run["Leaving"].get("Saved"):
        return moves.save(leaving.restarted(resource.status, resource.spec, now), Reset(), due=now)
    if sight.start.state == "running":
        return Plan(due=now + steps.WAIT_SECONDS)  # there may be one more container at any moment
    if sight.running:
        telling, when = leaving.signalled(leaving.shown(resource.status, now), now), run["Leaving"].get("Signalled")
        return moves.told(telling, when, moves.GRACE_SECONDS, sight, now)
    if _ended_by_itself(resource, sight):
        return moves.save(leaving.dropped(resource.status), due=now)
    status = leaving.shown(resource.status, now)
    if not sight.begun:
        return moves.save(leaving.saved(status), due=now)
    match sight.save:
        case Errand(state="absent"):
            return moves.save(status, Save(), due=now + steps.SOON_SECONDS)
        case Errand(state="running"):
            return Plan(due=now + steps.WAIT_SECONDS)
        case Errand(state="failed", retry=True):
            return moves.again(resource, "save", sight.save, now)
        case Errand(state="failed"):
            return moves.end(resource, sight, status, outcome.failed(sight.save.problem), now)
    return moves.save(leaving.saved(progress.measured(status, sight.metrics)), due=now)


def _ended_by_itself(resource: Resource, sight: Sight) -> bool:
    """Whether the job was over before anybody told it that its instances go."""
    going = resource.status["Run"]["Leaving"]
    told = "Signalled" in going or going["Why"] != leaving.INTERRUPTED
    return sight.complete and not told and "lost" not in [instance.state for instance in sight.instances]
