"""How a job of one container ended, where the container's own words say why it fails. Pure."""

from __future__ import annotations

from collections.abc import Callable

from sagewright.jobs.progress import Outcome, Progress
from sagewright.jobs.sight import Failure, JobSight


def lost(noun: str) -> str:
    """The FailureReason of a ``compilation`` that left no trace."""
    return f"InternalServerError: The {noun}'s container is gone and left no exit record. Please try again."


def of_one_container(progress: Progress, noun: str) -> Callable[[JobSight, bool], Outcome]:
    """For Course.outcome; what was told to stop has stopped, whatever the exit code."""

    def outcome(sight: JobSight, stop: bool) -> Outcome:
        if stop:
            return progress.stopped()
        return progress.completed() if sight.failure is None else progress.failed(_reason(sight.failure, noun))

    return outcome


def _reason(failure: Failure, noun: str) -> str:
    container = failure.instance
    if container.state == "lost":
        return lost(noun)
    if container.reason == "OutOfMemory":
        return f"ClientError: The {noun} ran out of memory."
    return failure.text or f"InternalServerError: The {noun} ended with exit code {container.code}: {failure.last_lines}"
