"""The status document of a job and how it moves, in the words of its kind: pure functions from one document to the next.

``Run`` is our own and never shown: Stream (log stream of algo-1), Stop ({Signalled}), Abandoned (when the instances that were left
were told to end, because one had failed), Outcome ({Status, FailureReason} and what else the end brings to light).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.store.rows import Document

Status = Mapping[str, Any]
Outcome = Mapping[str, str]

FAILURE_REASON_LIMIT = 1024
"""API Describe: FailureReason is at most 1 024 characters long."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the states of a kind of jobs are called."""

    running: str
    stopping: str
    completed: str
    failed: str
    stopped: str

    @property
    def terminal(self) -> frozenset[str]:
        """The states of a job that is over."""
        return frozenset({self.completed, self.failed, self.stopped})


SPOKEN = Words("InProgress", "Stopping", "Completed", "Failed", "Stopped")
CAPITALS = Words("INPROGRESS", "STOPPING", "COMPLETED", "FAILED", "STOPPED")


@dataclass(frozen=True, slots=True)
class Progress:
    """Public members begin with the kind's ``noun``: ProcessingJobStatus, ProcessingStartTime, ProcessingEndTime."""

    noun: str
    words: Words

    @property
    def member(self) -> str:
        """What the state is called in the document."""
        return f"{self.noun}JobStatus"

    @property
    def began(self) -> str:
        """What the start time is called."""
        return f"{self.noun}StartTime"

    @property
    def terminal(self) -> frozenset[str]:
        """The states of a job that is over."""
        return self.words.terminal

    def failed(self, reason: str) -> dict[str, str]:
        """An outcome; ``reason`` is the FailureReason."""
        return {"Status": self.words.failed, "FailureReason": reason}

    def stopped(self) -> dict[str, str]:
        """An outcome: on request, or at the end of MaxRuntimeInSeconds."""
        return {"Status": self.words.stopped}

    def completed(self) -> dict[str, str]:
        """An outcome: every container ended with 0."""
        return {"Status": self.words.completed}

    def begun(self, status: Status, stream: str, now: float) -> Document:
        """The instances are there; data is brought in."""
        run = status.get("Run", {})
        state = self.words.stopping if "Stop" in run else self.words.running
        return {**status, self.member: state, self.began: now, "Run": {**run, "Stream": stream}}

    def stopping(self, status: Status) -> Document:
        """Somebody or the clock wants the job to end."""
        return {**status, self.member: self.words.stopping, "Run": {**status.get("Run", {}), "Stop": {}}}

    def stop_requested(self, status: Status, now: float) -> Document:
        """What is over already is not stopped any more, but the job ends as stopped unless it has failed."""
        outcome = status.get("Run", {}).get("Outcome")
        if outcome is None:
            return self.stopping(status)
        kept = outcome if outcome["Status"] == self.words.failed else {**outcome, "Status": self.words.stopped}
        return {**status, self.member: self.words.stopping, "Run": {**status["Run"], "Outcome": kept}}

    def signalled(self, status: Status, now: float) -> Document:
        """SIGTERM has been sent."""
        return {**status, "Run": {**status["Run"], "Stop": {"Signalled": now}}}

    def abandoned(self, status: Status, now: float) -> Document:
        """One instance has failed, and the others have been told to end."""
        return {**status, "Run": {**status["Run"], "Abandoned": now}}

    def settled(self, status: Status, outcome: Outcome) -> Document:
        """The containers have ended and it is known how; what they wrote is brought out."""
        return {**status, "Run": {**status.get("Run", {}), "Outcome": dict(outcome)}}

    def finished(self, status: Status, outcome: Outcome, now: float) -> Document:
        """The last status. Times are given only when an instance was there."""
        shown = {member: text for member, text in outcome.items() if text and member != "Status"}
        if "FailureReason" in shown:
            shown["FailureReason"] = shown["FailureReason"][:FAILURE_REASON_LIMIT]
        times = {f"{self.noun}EndTime": now} if self.began in status else {}
        return {**status, **shown, self.member: outcome["Status"], **times}
