"""What to do next with a training job. Pure: a row, one look at the world and the time give a plan.

Read from the top: the first line that fits decides. Nothing is inferred from what was planned before except what the row
says, so a restart of control, a lost race and the happy path are the same path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.training import deadlines, departure, leaving, moves, outcome, progress, warm_pool
from sagewright.features.training.moves import JobPlan, save
from sagewright.features.training.sight import (
    Action,
    Claim,
    Download,
    ErrandName,
    Keep,
    Remove,
    Reserve,
    Sight,
    Start,
    Upload,
)
from sagewright.jobs import steps
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errand
from sagewright.store.rows import Resource


def plan(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """See the module docstring."""
    status, run = resource.status, resource.status.get("Run", {})
    if resource.state == "Deleting":
        return Plan(actions=(Remove(),), remove=True)
    if resource.state in progress.TERMINAL:
        return _over(resource, now)
    if "Outcome" in run:
        return _uploading(resource, sight, now)
    if "Stream" not in run and sight.begun:
        return save(_begun(resource, sight, now), due=now)  # the row is older than the container: an old database, perhaps
    if sight.save.state == "running":
        return Plan(due=now + steps.WAIT_SECONDS)  # what the containers left goes out, whatever comes next
    why = "" if "Stop" in run or "Abandoned" in run else deadlines.overdue(resource, now)
    if "Leaving" in run and "Stop" not in run:
        late = why and sight.running
        return save(progress.stopping(status, why, now), due=now) if late else departure.plan(resource, sight, now)
    # While containers are being started there may be one more at any moment, which nobody would have told to end.
    ending = ("Stop" in run or sight.failure is not None) and sight.start.state != "running"
    settled = sight.complete or ending
    if sight.begun and settled and not sight.running:
        return _settle(resource, sight, now)
    if why:
        return save(progress.stopping(status, why, now), due=now)
    if message := _taken_away(resource, sight, now):
        return save(leaving.interrupted(status, message), due=now)
    if sight.running and settled:
        return _running(resource, sight, now)
    if "Stop" in run and sight.start.state != "running":
        return moves.end(resource, sight, status, outcome.stopped(run["Stop"]["Why"]), now)
    if not sight.placed or "Stream" not in run:
        return _place(resource, sight, now)
    return _preparing(resource, sight, now)


def _place(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """Takes places on the machine or a warm pool, or says why it has to wait."""
    if sight.refusal and not sight.begun:
        return moves.end(resource, sight, resource.status, outcome.failed(sight.refusal), now)
    if sight.pool and not sight.placed and not sight.begun:
        return Plan(actions=(Claim(sight.pool),), due=now)
    if sight.pool_soon and not sight.placed and not sight.begun:
        return Plan(due=now + steps.SOON_SECONDS)
    if sight.waiting and not sight.placed and not sight.begun:
        waiting = progress.entered(resource.status, resource.status["SecondaryStatus"], sight.waiting, now)
        return save(waiting, due=min(now + moves.LINE_SECONDS, deadlines.next_look(resource, sight, now)))
    actions: tuple[Action, ...] = (Reserve(adopted=sight.begun), Download())
    if "Stream" in resource.status.get("Run", {}):
        return Plan(actions=actions, due=now + steps.SOON_SECONDS)
    return save(_begun(resource, sight, now), *actions, due=now + steps.SOON_SECONDS)


def _preparing(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """Data comes in, then the containers are started."""
    errands: tuple[tuple[ErrandName, Errand], ...] = (("download", sight.download), ("start", sight.start))
    for name, errand in errands:
        if errand.state == "failed" and not errand.retry:
            return _failed(resource, sight, errand.problem, now)
        if errand.state == "failed":
            return moves.again(resource, name, errand, now)
    if sight.download.state == "absent":
        return Plan(actions=(Download(),), due=now + steps.SOON_SECONDS)
    if sight.download.state == "running" or sight.start.state == "running":
        return Plan(due=now + steps.WAIT_SECONDS)
    if sight.start.state == "absent":
        return Plan(actions=(Start(),), due=now + steps.SOON_SECONDS)
    return _failed(resource, sight, outcome.LOST, now)  # started, and yet no trace of some of them


def _running(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """Containers run: their signals are followed and, when they have to end, they are told so."""
    status, run, actions = resource.status, resource.status["Run"], steps.following(sight)
    if "Stop" in run:
        when = run["Stop"].get("Signalled")
        return moves.told(progress.signalled(status, now), when, moves.GRACE_SECONDS, sight, now)
    if sight.failure is not None:
        telling = progress.abandoned(_trained(status, sight, now), now)
        return moves.told(telling, run.get("Abandoned"), steps.PEERS_GRACE_SECONDS, sight, now)
    due = now + steps.pace(now - (sight.started or now))
    if status["SecondaryStatus"] == "Training":
        return Plan(actions=actions, due=min(due, deadlines.next_look(resource, sight, now)))
    return save(_trained(status, sight, now), *actions, due=due)


def _settle(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """All containers are over."""
    status = resource.status
    if "Stop" not in status["Run"]:
        status = _trained(status, sight, sight.started or now)  # it may have been too quick to be seen running
    result = outcome.of(sight.failure, status["Run"].get("Stop"))
    if outcome.is_ours(sight.failure, result) and leaving.may_retry(resource.spec, status, result["FailureReason"]):
        return save(leaving.retried(status, result["FailureReason"]), due=now)
    settled = progress.settled(status, result, progress.UPLOADING, now)
    return save(settled, Upload(wanted=_has_model(result)), due=now + steps.SOON_SECONDS)


def _uploading(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """The last lines and the artefacts go out; only then is the job over, so that who sees the end sees everything."""
    result = resource.status["Run"]["Outcome"]
    status = progress.measured(resource.status, sight.metrics)
    match sight.upload:
        case Errand(state="absent"):
            return Plan(actions=(Upload(wanted=_has_model(result)),), due=now + steps.SOON_SECONDS)
        case Errand(state="running"):
            return Plan(due=now + steps.WAIT_SECONDS)
        case Errand(state="failed", retry=True):
            return moves.again(resource, "upload", sight.upload, now)
        case Errand(state="failed") if result["Status"] != "Failed":
            return moves.end(resource, sight, status, outcome.failed(sight.upload.problem), now)
    if _has_model(result):
        status["ModelArtifacts"] = progress.artifacts(resource.spec)
    return moves.end(resource, sight, status, result, now)


def _over(resource: Resource, now: float) -> JobPlan:
    """The job has ended; a warm pool stays for a while."""
    status = resource.status
    if warm_pool.status_of(status) != warm_pool.AVAILABLE:
        return Plan(actions=(Remove(),))
    if now >= status["Run"]["Until"]:
        return save(warm_pool.terminated(status, now), due=now)
    return Plan(actions=(Keep(),), due=status["Run"]["Until"])


def _failed(resource: Resource, sight: Sight, reason: str, now: float) -> JobPlan:
    """Before anything has run to its end: once more where that may help, else the end."""
    if leaving.may_retry(resource.spec, resource.status, reason):
        return save(leaving.retried(resource.status, reason), due=now)
    return moves.end(resource, sight, resource.status, outcome.failed(reason), now)


def _taken_away(resource: Resource, sight: Sight, now: float) -> str:
    """Why spot instances go now; empty while they may stay."""
    if not leaving.can_be_interrupted(resource.spec, resource.status):
        return ""
    if sight.reclaimed:
        return leaving.SHORTAGE
    began = resource.status["Run"].get("Began", now)
    due = sight.running and sight.interrupt_after is not None and now >= began + sight.interrupt_after
    return leaving.SCHEDULED if due else ""


def _trained(status: Mapping[str, Any], sight: Sight, when: float) -> Mapping[str, Any]:
    """The status since all containers ran."""
    if status["SecondaryStatus"] == "Training":
        return status
    return progress.entered(status, "Training", f"{progress.TRAINING} {sight.notice}".rstrip(), when)


def _begun(resource: Resource, sight: Sight, now: float) -> dict[str, Any]:
    """Log streams are named ``<job>/algo-1-<epoch>`` (DG logging-cloudwatch); the name is kept, so that each is one stream."""
    message = progress.downloading(resource.spec, sight.copying)
    status = progress.begun(resource.status, f"{resource.name}/algo-1-{int(now)}", message, now)
    return warm_pool.opened(status, f"{resource.name}-{int(now)}") if sight.keeps else status


def _has_model(result: Mapping[str, str]) -> bool:
    """A stopped job's model is kept (API StopTrainingJob), a failed one's is not."""
    return result["Status"] != "Failed"
