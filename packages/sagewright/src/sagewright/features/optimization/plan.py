"""What is said of an optimization job as it goes, and what of its plan is its own. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright.features.optimization import job
from sagewright.jobs.course import Course
from sagewright.jobs.outcome import lost, of_one_container
from sagewright.jobs.progress import CAPITALS, Outcome, Progress, Status
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document

LOST = lost("optimization")


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


COURSE = Course(PROGRESS, job.max_runtime, of_one_container(PROGRESS, "optimization"), LOST, grace=job.GRACE_SECONDS)
