"""What is said of a compilation job as it goes, and what of its plan is its own. Pure."""

from __future__ import annotations

from sagewright.features.compilation import job
from sagewright.jobs.course import Course
from sagewright.jobs.progress import CAPITALS, Outcome, Progress
from sagewright.jobs.sight import JobSight
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document

PROGRESS = Progress("Compilation", CAPITALS)
LOST = "InternalServerError: The compilation's container is gone and left no exit record. Please try again."
_MEMORY = "ClientError: The compilation ran out of memory."


def created(context: Context, spec: Document) -> Document:
    """The status of a job that has just been asked for."""
    return {
        PROGRESS.member: "STARTING",
        "FailureReason": "",
        "ModelArtifacts": {"S3ModelArtifacts": str(job.artefact(spec))},
        "InferenceImage": job.inference_image(context.world.region, spec),
        "Run": {},
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
    unsaid = f"InternalServerError: The compilation ended with exit code {container.code}: {failure.last_lines}"
    return PROGRESS.failed(failure.text or unsaid)


COURSE = Course(PROGRESS, job.max_runtime, outcome, LOST, grace=job.GRACE_SECONDS)
