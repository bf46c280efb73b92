"""What is said of a compilation job as it goes, and what of its plan is its own. Pure."""

from __future__ import annotations

from sagewright.features.compilation import job
from sagewright.jobs.course import Course
from sagewright.jobs.outcome import lost, of_one_container
from sagewright.jobs.progress import CAPITALS, Progress
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document

PROGRESS = Progress("Compilation", CAPITALS)
LOST = lost("compilation")


def created(context: Context, spec: Document) -> Document:
    """The status of a job that has just been asked for."""
    return {
        PROGRESS.member: "STARTING",
        "FailureReason": "",
        "ModelArtifacts": {"S3ModelArtifacts": str(job.artefact(spec))},
        "InferenceImage": job.inference_image(context.world.region, spec),
        "Run": {},
    }


COURSE = Course(PROGRESS, job.max_runtime, of_one_container(PROGRESS, "compilation"), LOST, grace=job.GRACE_SECONDS)
