"""What to do next with a processing job. Pure: a row, one look at the world and the time give a plan.

Read from the top: the first line that fits decides. Nothing is inferred from what was planned before except what the row
says, so a restart of control, a lost race and the happy path are the same path.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from sagewright.features.processing import outcome, progress
from sagewright.features.processing.sight import Action, Sight, Upload
from sagewright.features.processing.view import DEFAULT_MAX_RUNTIME
from sagewright.jobs.sight import Download, ErrandName, Forget, Remove, Reserve, Signal, Start, Watch
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errand
from sagewright.store.rows import Resource

GRACE_SECONDS = 120.0
"""As of training jobs (API StopTrainingJob); nothing is said of processing jobs."""
PEERS_GRACE_SECONDS = 10.0
"""What the other instances have when one has failed: nothing they still do can save the job."""
RETRY_SECONDS = 3.0
WAIT_SECONDS = 1.0
SOON_SECONDS = 0.25

JobPlan = Plan[Action]


def plan(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """See the module docstring."""
    status, run = resource.status, resource.status.get("Run", {})
    if resource.state == "Deleting":
        return Plan(actions=(Remove(),), remove=True)
    if resource.state in progress.TERMINAL:
        return Plan(actions=(Remove(),))
    if "Outcome" in run:
        return _uploading(resource, sight, now)
    if "Stream" not in run and sight.begun:
        return _save(_begun(resource, now), due=now)  # a save was lost: the row is older than the container
    # While containers are being started there may be one more at any moment, which nobody would have told to end.
    ending = ("Stop" in run or sight.failure is not None) and sight.start.state != "running"
    settled = sight.complete or ending
    if sight.begun and settled and not sight.running:
        return _settle(resource, sight, now)
    if "Stop" not in run and "Abandoned" not in run and now >= _deadline(resource):
        return _save(progress.stopping(status), due=now)
    if sight.running and settled:
        return _running(resource, sight, now)
    if "Stop" in run and sight.start.state != "running":
        return _end(status, outcome.stopped(), now)
    if not sight.placed or "Stream" not in run:
        return _place(resource, sight, now)
    return _preparing(resource, sight, now)


def _place(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """Takes places on the machine, or waits for them."""
    if sight.waiting and not sight.placed and not sight.begun:
        return Plan(due=now + WAIT_SECONDS)
    actions: tuple[Action, ...] = (Reserve(adopted=sight.begun), Download())
    if "Stream" in resource.status.get("Run", {}):
        return Plan(actions=actions, due=now + SOON_SECONDS)
    return _save(_begun(resource, now), *actions, due=now + SOON_SECONDS)


def _preparing(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """Data comes in, then the containers are started. What is not there outside the job (S3, mostly) is tried again."""
    errands: tuple[tuple[ErrandName, Errand], ...] = (("download", sight.download), ("start", sight.start))
    for name, errand in errands:
        if errand.state == "failed" and not errand.retry:
            return _end(resource.status, outcome.failed(errand.problem), now)
        if errand.state == "failed":
            return Plan(actions=(Forget(name),), due=now + RETRY_SECONDS)
    if sight.download.state == "absent":
        return Plan(actions=(Download(),), due=now + SOON_SECONDS)
    if sight.download.state == "running" or sight.start.state == "running":
        return Plan(due=min(now + WAIT_SECONDS, _deadline(resource)))
    if sight.start.state == "absent":
        return Plan(actions=(Start(),), due=now + SOON_SECONDS)
    return _end(resource.status, outcome.failed(outcome.LOST), now)  # started, and yet no trace of some of them


def _running(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """Containers run: their signals are followed and, when they have to end, they are told so."""
    status, run = resource.status, resource.status["Run"]
    actions: tuple[Action, ...] = (Watch(),) if sight.placed else (Reserve(adopted=True), Watch())
    if "Stop" in run:
        return _told(progress.signalled(status, now), run["Stop"].get("Signalled"), GRACE_SECONDS, actions, now)
    if sight.failure is not None:
        return _told(progress.abandoned(status, now), run.get("Abandoned"), PEERS_GRACE_SECONDS, actions, now)
    due = now + _pace(now - (sight.started or now))
    return Plan(actions=actions, due=min(due, _deadline(resource)))


def _told(telling: Mapping[str, Any], told: float | None, grace: float, actions: tuple[Action, ...], now: float) -> JobPlan:
    """What runs is told to end (``telling`` is the status then), and killed ``grace`` seconds after it was ``told``."""
    if told is None:
        return _save(telling, Signal(signal.SIGTERM), *actions, due=now + SOON_SECONDS)
    if now >= told + grace:
        return Plan(actions=(Signal(signal.SIGKILL), *actions), due=now + WAIT_SECONDS)
    return Plan(actions=actions, due=min(now + _pace(now - told), told + grace))


def _settle(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """All containers are over."""
    result = outcome.of(sight.failure, "Stop" in resource.status["Run"], sight.message)
    settled = progress.settled(resource.status, result)
    return _save(settled, Upload(_completed(result)), due=now + SOON_SECONDS)


def _uploading(resource: Resource, sight: Sight, now: float) -> JobPlan:
    """The last lines and the outputs go out; only then is the job over, so that who sees the end sees everything."""
    result = resource.status["Run"]["Outcome"]
    match sight.upload:
        case Errand(state="absent"):
            return Plan(actions=(Upload(_completed(result)),), due=now + SOON_SECONDS)
        case Errand(state="running"):
            return Plan(due=now + WAIT_SECONDS)
        case Errand(state="failed", retry=True):
            return Plan(actions=(Forget("upload"),), due=now + RETRY_SECONDS)
        case Errand(state="failed") if result["Status"] != "Failed":
            return _end(resource.status, {**result, **outcome.failed(sight.upload.problem)}, now)
    return _end(resource.status, result, now)


def _end(status: Mapping[str, Any], result: Mapping[str, str], now: float) -> JobPlan:
    """The last status is written first and the run folder removed at the next look: a crash between loses nothing."""
    return _save(progress.finished(status, result, now), due=now)


def _save(status: Mapping[str, Any], *actions: Action, due: float) -> JobPlan:
    return Plan(actions=actions, status=status, state=status["ProcessingJobStatus"], due=due)


def _begun(resource: Resource, now: float) -> dict[str, Any]:
    """Log streams are named ``<job>/algo-1-<epoch>`` (DG logging-cloudwatch); the name is kept, so that each is one stream."""
    return progress.begun(resource.status, f"{resource.name}/algo-1-{int(now)}", now)


def _completed(result: Mapping[str, str]) -> bool:
    return result["Status"] == "Completed"


def _deadline(resource: Resource) -> float:
    condition = resource.spec.get("StoppingCondition", {})
    began = resource.status.get("ProcessingStartTime", float("inf"))
    return float(began + condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME))


def _pace(age: float) -> float:
    """How long until the next look at a running container: short jobs are followed closely, long ones cost little."""
    return min(2.0, max(SOON_SECONDS, age / 20))
