"""What of the plan of a processing job is its own. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.processing import outcome
from sagewright.features.processing.outcome import PROGRESS
from sagewright.features.processing.sight import Sight
from sagewright.features.processing.view import DEFAULT_MAX_RUNTIME
from sagewright.jobs.course import Course
from sagewright.jobs.progress import Outcome
from sagewright.store.rows import Document

GRACE_SECONDS = 120.0
"""As of training jobs (API StopTrainingJob); nothing is said of processing jobs."""


def created() -> Document:
    """The status of a job that has just been asked for."""
    return {PROGRESS.member: PROGRESS.words.running, "Run": {}}


def max_runtime(spec: Mapping[str, Any]) -> float:
    """Seconds."""
    return float(spec.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME))


def _outcome(sight: Sight, stop: bool) -> Outcome:
    return outcome.of(sight.failure, stop, sight.message)


COURSE = Course(PROGRESS, max_runtime, _outcome, outcome.LOST, grace=GRACE_SECONDS)
