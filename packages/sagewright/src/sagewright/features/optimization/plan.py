"""What is said of an optimization job as it goes, and what of its plan is its own. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright.features.optimization import job
from sagewright.jobs.course import Course
from sagewright.jobs.progress import CAPITALS, Outcome, Progress, Status
from sagewright.jobs.sight import JobSight
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document

LOST = "InternalServerError: The optimization's container is gone and left no exit record. Please try again."
_MEMORY = "ClientError: The optimization ran out of memory."


@dataclass(frozen=True, slots=True)
class _Progress(Progress):
    def finished(self, status: Status, outcome: Outcome, now: float) -> Document:
        """The image that serves the model is recommended when there is a model."""
        last = Progress.finished(self, status, outcome, now)
        if outcome["Status"] != self.words.completed:
            return last
        return {**last, "OptimizationOutput": {"RecommendedInferenceImage": status["Run"]["Image"]}}


PROGRESS = _Progress("Optimization", CAPITALS)


def created(context: Context, spec: Document) -> Document:
    """The status of a job that has just been asked for."""
    return {
        PROGRESS.member: "STARTING",
        "OptimizationTypes": job.techniques(spec),
        "Run": {"Image": job.image(context.world.region, spec)},
    }


def outcome(sight: JobSight, stop: bool) -> Outcome:
    """How the container ended; what was told to ``stop`` has stopped."""
    if stop:
        return PROGRESS.stopped()
    if sight.failure is None:
        return PROGRESS.completed()
    failure, container = sight.failure, sight.failure.instance
    if container.state == "lost":
        return PROGRESS.failed(LOST)
    if container.reason == "OutOfMemory":
        return PROGRESS.failed(_MEMORY)
    unsaid = f"InternalServerError: The optimization ended with exit code {container.code}: {failure.last_lines}"
    return PROGRESS.failed(failure.text or unsaid)


COURSE = Course(PROGRESS, job.max_runtime, outcome, LOST, grace=job.GRACE_SECONDS)
