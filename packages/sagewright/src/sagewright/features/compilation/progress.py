"""A compilation job's status document and how it moves: pure functions from one document to the next.

Public members are DescribeCompilationJob's. ``Run`` is our own and never shown: Stream (the log stream), Stop ({Signalled}),
Outcome ({Status, FailureReason}).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.compilation import job
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document

Status = Mapping[str, Any]

TERMINAL = frozenset({"COMPLETED", "FAILED", "STOPPED"})
_LIMIT = 1024


def created(context: Context, spec: Document) -> Document:
    """The status of a job that has just been asked for."""
    return {
        "CompilationJobStatus": "STARTING",
        "FailureReason": "",
        "ModelArtifacts": {"S3ModelArtifacts": str(job.artefact(spec))},
        "InferenceImage": job.inference_image(context.world.region, spec),
        "Run": {},
    }


def begun(status: Status, stream: str, now: float) -> Document:
    """There is a place on the machine."""
    state = "STOPPING" if "Stop" in status["Run"] else "INPROGRESS"
    return {**status, "CompilationStartTime": now, "CompilationJobStatus": state, "Run": {**status["Run"], "Stream": stream}}


def stopping(status: Status) -> Document:
    """Somebody wants the job to end; what has ended already is not stopped any more, but ends as STOPPED."""
    run = dict(status["Run"])
    if "Outcome" in run and run["Outcome"]["Status"] == "COMPLETED":
        run["Outcome"] = {"Status": "STOPPED"}
    return {**status, "CompilationJobStatus": "STOPPING", "Run": {"Stop": {}, **run}}


def signalled(status: Status, now: float) -> Document:
    """SIGTERM has been sent."""
    return {**status, "Run": {**status["Run"], "Stop": {"Signalled": now}}}


def settled(status: Status, outcome: Mapping[str, str]) -> Document:
    """The container has ended and it is known how; what it made is brought out."""
    return {**status, "Run": {**status["Run"], "Outcome": dict(outcome)}}


def finished(status: Status, outcome: Mapping[str, str], now: float) -> Document:
    """The last status."""
    last = {**status, "CompilationJobStatus": outcome["Status"], "FailureReason": outcome.get("FailureReason", "")[:_LIMIT]}
    return {**last, "CompilationEndTime": now} if "CompilationStartTime" in status else last


def failed(reason: str) -> dict[str, str]:
    """An outcome."""
    return {"Status": "FAILED", "FailureReason": reason}
