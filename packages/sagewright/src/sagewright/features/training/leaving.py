"""An attempt at a training job that ends so that another can follow: an interruption (managed spot training) or a retry
(API RetryStrategy). Pure.

``Run.Leaving`` is {Why, Message, Signalled, Saved}. While it is there the containers are told to end, what they leave (log lines,
checkpoints) is saved, and then the run folders are removed; the step to *Saved* is written down before, so that a half-removed
folder is never taken for a checkpoint folder that the user has emptied. ``Run.Spent``, ``Run.Interruptions`` and ``Run.Retries``
count what is past.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.training import progress
from sagewright.store.rows import Document

Status = Mapping[str, Any]

INTERRUPTED, RETRY = "Interrupted", "Retry"
COMMANDED = "The managed spot training instances were interrupted on request"
SCHEDULED = "The managed spot training instances were interrupted as scheduled"
SHORTAGE = "The managed spot training instances were interrupted: another job needs the capacity"
RESTARTING = "Restarting the training job"
INTERNAL = "InternalServerError:"


def interrupted(status: Status, message: str) -> Document:
    """The instances are taken away (DG model-managed-spot-training)."""
    return _with(status, {"Why": INTERRUPTED, "Message": message})


def retried(status: Status, reason: str) -> Document:
    """The attempt failed for a reason of ours."""
    return _with(status, {"Why": RETRY, "Message": reason})


def may_retry(spec: Mapping[str, Any], status: Status, reason: str) -> bool:
    """API RetryStrategy: only after an InternalServerError, and only so often."""
    most = spec.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0)
    return reason.startswith(INTERNAL) and status.get("Run", {}).get("Retries", 0) < most


def can_be_interrupted(spec: Mapping[str, Any], status: Status) -> bool:
    """Whether there are spot instances to take away: a job that waits, ends or leaves has none."""
    run = status.get("Run", {})
    busy = "Stream" in run and not run.keys() & {"Outcome", "Stop", "Leaving"}
    return bool(spec.get("EnableManagedSpotTraining")) and status["TrainingJobStatus"] == "InProgress" and busy


def signalled(status: Status, now: float) -> Document:
    """SIGTERM has been sent."""
    return _with(status, {**status["Run"]["Leaving"], "Signalled": now})


def shown(status: Status, now: float) -> Document:
    """The step to Interrupted, which a retry does not take."""
    leaving = status["Run"]["Leaving"]
    return progress.entered(status, "Interrupted", leaving["Message"], now) if leaving["Why"] == INTERRUPTED else dict(status)


def saved(status: Status) -> Document:
    """What the attempt leaves is in S3 and in the log."""
    return _with(status, {**status["Run"]["Leaving"], "Saved": True})


def dropped(status: Status) -> Document:
    """The containers had ended by themselves: nothing was taken away."""
    return {**status, "Run": {name: value for name, value in status["Run"].items() if name != "Leaving"}}


def restarted(status: Status, spec: Mapping[str, Any], now: float) -> Document:
    """The next attempt waits for instances; after an interruption and at a retry the secondary status is Starting again."""
    run, leaving = status["Run"], status["Run"]["Leaving"]
    kept = {name: run[name] for name in ("Interruptions", "Retries", "Pool") if name in run}
    count = "Interruptions" if leaving["Why"] == INTERRUPTED else "Retries"
    kept |= {count: run.get(count, 0) + 1, "Spent": progress.seconds(status, now)}
    message = RESTARTING
    if leaving["Why"] == RETRY:
        most = spec["RetryStrategy"]["MaximumRetryAttempts"]
        message = f"{RESTARTING}, retry {kept['Retries']} of {most}, after: {leaving['Message']}"
    return {**progress.entered(status, "Starting", message, now), "Run": kept}


def _with(status: Status, leaving: Mapping[str, Any]) -> Document:
    return {**status, "Run": {**status.get("Run", {}), "Leaving": dict(leaving)}}
