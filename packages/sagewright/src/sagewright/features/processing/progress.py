"""A processing job's status document and how it moves: pure functions from one document to the next.

Public members are DescribeProcessingJob's. ``Run`` is our own and never shown: Stream (log stream of algo-1), Stop ({Signalled}),
Abandoned (when the instances that were left were told to end, because one had failed), Outcome ({Status, FailureReason, ExitMessage}).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.store.rows import Document

Status = Mapping[str, Any]

TERMINAL = frozenset({"Completed", "Failed", "Stopped"})
FAILURE_REASON_LIMIT = 1024
"""DescribeProcessingJob: FailureReason is at most 1 024 characters long."""


def created() -> Document:
    """The status of a job that has just been asked for."""
    return {"ProcessingJobStatus": "InProgress", "Run": {}}


def begun(status: Status, stream: str, now: float) -> Document:
    """The instances are there; data is brought in."""
    return {**status, "ProcessingStartTime": now, "Run": {**status.get("Run", {}), "Stream": stream}}


def stopping(status: Status) -> Document:
    """Somebody or the clock wants the job to end."""
    return {**status, "ProcessingJobStatus": "Stopping", "Run": {**status.get("Run", {}), "Stop": {}}}


def stop_requested(status: Status) -> Document:
    """StopProcessingJob: what is over already is not stopped any more, but the job ends as Stopped."""
    outcome = status.get("Run", {}).get("Outcome")
    if outcome is None:
        return stopping(status)
    kept = outcome if outcome["Status"] == "Failed" else {**outcome, "Status": "Stopped"}
    return {**status, "ProcessingJobStatus": "Stopping", "Run": {**status["Run"], "Outcome": kept}}


def signalled(status: Status, now: float) -> Document:
    """SIGTERM has been sent."""
    return {**status, "Run": {**status["Run"], "Stop": {"Signalled": now}}}


def abandoned(status: Status, now: float) -> Document:
    """One instance has failed, and the others have been told to end."""
    return {**status, "Run": {**status["Run"], "Abandoned": now}}


def settled(status: Status, outcome: Mapping[str, str]) -> Document:
    """The containers have ended and it is known how; what they wrote is brought out."""
    return {**status, "Run": {**status.get("Run", {}), "Outcome": dict(outcome)}}


def finished(status: Status, outcome: Mapping[str, str], now: float) -> Document:
    """The last status. Times are given only when an instance was there."""
    last = {**status, "ProcessingJobStatus": outcome["Status"]}
    if outcome.get("FailureReason"):
        last["FailureReason"] = outcome["FailureReason"][:FAILURE_REASON_LIMIT]
    if outcome.get("ExitMessage"):
        last["ExitMessage"] = outcome["ExitMessage"]
    if "ProcessingStartTime" in status:
        last["ProcessingEndTime"] = now
    return last
