"""What to do next with a compilation job. Pure: a row, one look at the world and the time give a plan. The first line that fits decides."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.features.compilation import job, progress
from sagewright.jobs.sight import Download, ErrandName, Forget, JobSight, Remove, Reserve, Signal, Start, Watch
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errand
from sagewright.store.rows import Resource

RETRY_SECONDS = 3.0
WAIT_SECONDS = 1.0
SOON_SECONDS = 0.25
LOST = "InternalServerError: The compilation's container is gone and left no exit record. Please try again."


@dataclass(frozen=True, slots=True)
class Upload:
    """Begins to ship the last log lines and, of a job that has ``completed``, the artefact."""

    completed: bool


Action = Reserve | Download | Start | Watch | Upload | Signal | Forget | Remove
JobPlan = Plan[Action]


def plan(resource: Resource, sight: JobSight, now: float) -> JobPlan:
    """See the module docstring."""
    status, run = resource.status, resource.status["Run"]
    if resource.state == "Deleting":
        return Plan(actions=(Remove(),), remove=True)
    if resource.state in progress.TERMINAL:
        return Plan(actions=(Remove(),))
    if "Outcome" in run:
        return _uploading(resource, sight, now)
    if sight.begun and not sight.running:
        outcome = _outcome(resource, sight)
        return _save(progress.settled(status, outcome), Upload(outcome["Status"] == "COMPLETED"), due=now + SOON_SECONDS)
    if sight.running:
        return _running(resource, sight, now)
    if "Stop" in run and sight.start.state != "running":
        return _end(status, {"Status": "STOPPED"}, now)
    if not sight.placed or "Stream" not in run:
        return _place(resource, sight, now)
    return _preparing(resource, sight, now)


def _place(resource: Resource, sight: JobSight, now: float) -> JobPlan:
    if sight.waiting and not sight.placed:
        return Plan(due=now + WAIT_SECONDS)
    if "Stream" in resource.status["Run"]:
        return Plan(actions=(Reserve(adopted=sight.begun), Download()), due=now + SOON_SECONDS)
    begun = progress.begun(resource.status, f"{resource.name}/algo-1-{int(now)}", now)
    return _save(begun, Reserve(adopted=sight.begun), Download(), due=now + SOON_SECONDS)


def _preparing(resource: Resource, sight: JobSight, now: float) -> JobPlan:
    """The model comes in, then the container is started. What is not there outside the job (S3, mostly) is tried again."""
    errands: tuple[tuple[ErrandName, Errand], ...] = (("download", sight.download), ("start", sight.start))
    for name, errand in errands:
        if errand.state == "failed" and not errand.retry:
            return _end(resource.status, progress.failed(errand.problem), now)
        if errand.state == "failed":
            return Plan(actions=(Forget(name),), due=now + RETRY_SECONDS)
    if sight.download.state == "absent":
        return Plan(actions=(Download(),), due=now + SOON_SECONDS)
    if sight.download.state == "running" or sight.start.state == "running":
        return Plan(due=now + WAIT_SECONDS)
    if sight.start.state == "absent":
        return Plan(actions=(Start(),), due=now + SOON_SECONDS)
    return _end(resource.status, progress.failed(LOST), now)  # started, and yet no trace of it


def _running(resource: Resource, sight: JobSight, now: float) -> JobPlan:
    status, run = resource.status, resource.status["Run"]
    if "Stream" not in run:  # a save was lost: the row is older than the container
        return _save(progress.begun(status, f"{resource.name}/algo-1-{int(now)}", now), Reserve(adopted=True), due=now)
    actions: tuple[Action, ...] = (Watch(),) if sight.placed else (Reserve(adopted=True), Watch())
    deadline = float(status.get("CompilationStartTime", now)) + job.max_runtime(resource.spec)
    if "Stop" not in run:
        if now >= deadline:
            return _save(progress.stopping(status), due=now)
        return Plan(actions=actions, due=min(now + SOON_SECONDS, deadline))
    told = run["Stop"].get("Signalled")
    if told is None:
        return _save(progress.signalled(status, now), Signal(signal.SIGTERM), *actions, due=now + SOON_SECONDS)
    if now >= told + job.GRACE_SECONDS:
        return Plan(actions=(Signal(signal.SIGKILL), *actions), due=now + WAIT_SECONDS)
    return Plan(actions=actions, due=now + SOON_SECONDS)


def _outcome(resource: Resource, sight: JobSight) -> dict[str, str]:
    if "Stop" in resource.status["Run"]:
        return {"Status": "STOPPED"}
    if sight.failure is None:
        return {"Status": "COMPLETED"}
    found = sight.failure
    if found.instance.state == "lost":
        return progress.failed(LOST)
    if found.instance.reason == "OutOfMemory":
        return progress.failed("ClientError: The compilation ran out of memory.")
    return progress.failed(
        found.text or f"InternalServerError: The compilation ended with exit code {found.instance.code}: {found.last_lines}"
    )


def _uploading(resource: Resource, sight: JobSight, now: float) -> JobPlan:
    """The last lines and the artefact go out; only then is the job over."""
    result = resource.status["Run"]["Outcome"]
    match sight.upload:
        case Errand(state="absent"):
            return Plan(actions=(Upload(result["Status"] == "COMPLETED"),), due=now + SOON_SECONDS)
        case Errand(state="running"):
            return Plan(due=now + WAIT_SECONDS)
        case Errand(state="failed", retry=True):
            return Plan(actions=(Forget("upload"),), due=now + RETRY_SECONDS)
        case Errand(state="failed") if result["Status"] != "FAILED":
            return _end(resource.status, progress.failed(sight.upload.problem), now)
    return _end(resource.status, result, now)


def _end(status: Mapping[str, Any], result: Mapping[str, str], now: float) -> JobPlan:
    """The last status is written first and the run folder removed at the next look: a crash between loses nothing."""
    return _save(progress.finished(status, result, now), due=now)


def _save(status: Mapping[str, Any], *actions: Action, due: float) -> JobPlan:
    return Plan(actions=actions, status=status, state=status["CompilationJobStatus"], due=due)
