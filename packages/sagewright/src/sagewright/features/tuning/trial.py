"""One combination that a tuning job tries: what is kept of it in a row of its own, and what is seen of its training job."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sagewright.store.rows import Document, Resource

KIND = "tuning.Trial"
"""The kind of the rows; they are nobody's but tuning's. Key: ``<tuning job>/<number>``."""
ENDED = frozenset({"Completed", "Failed", "Stopped"})
RETRYABLE = "InternalServerError"
"""A training job whose FailureReason begins so could be tried again (API TrainingJobStatusCounters)."""


@dataclass(frozen=True, slots=True)
class Child:
    """One look at a training job: members of DescribeTrainingJob."""

    status: str
    objective: float | None = None
    failure: str = ""
    times: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Mapping[str, Any], metric: str) -> Child:
        """``metric`` names the objective: of several values the last one printed counts (DG automatic-model-tuning-considerations)."""
        final = document.get("FinalMetricDataList") or ()
        value = next((item["Value"] for item in final if item["MetricName"] == metric), None)
        members = ("TrainingJobArn", "CreationTime", "TrainingStartTime", "TrainingEndTime")
        times = {member: document[member] for member in members if member in document}
        return cls(document["TrainingJobStatus"], value, document.get("FailureReason", ""), times)


@dataclass(frozen=True, slots=True)
class Trial:
    """``number`` counts from 1, ``definition`` is the DefinitionName or "". ``status`` is the last TrainingJobStatus, "" until then;

    ``refusal`` says why the training job could not be made.
    """

    number: int
    name: str
    values: Mapping[str, str]
    definition: str = ""
    status: str = ""
    objective: float | None = None
    failure: str = ""
    refusal: str = ""
    times: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return bool(self.status)

    @property
    def retryable(self) -> bool:
        return self.status == "Failed" and self.failure.startswith(RETRYABLE)

    @property
    def succeeded(self) -> bool:
        """Whether it has told its objective (API ObjectiveStatus)."""
        return self.status in ("Completed", "Stopped") and self.objective is not None

    @classmethod
    def of(cls, resource: Resource) -> Trial:
        """From its row."""
        known = resource.status
        return cls(
            known["Number"],
            resource.name,
            known["Values"],
            known["Definition"],
            known["Status"],
            known["Objective"],
            known["Failure"],
            known["Refusal"],
            known["Times"],
        )

    def document(self) -> Document:
        """For the status of its row."""
        return {
            "Number": self.number,
            "Values": dict(self.values),
            "Definition": self.definition,
            "Status": self.status,
            "Objective": self.objective,
            "Failure": self.failure,
            "Refusal": self.refusal,
            "Times": dict(self.times),
        }

    def row(self, job: Resource) -> Resource:
        """A row that is not written yet."""
        return Resource(
            job.world,
            KIND,
            row_key(job, self.number),
            name=self.name,
            parent=job.key,
            status=self.document(),
            created=job.created,
        )


def row_key(job: Resource, number: int) -> str:
    """Sorts like the numbers."""
    return f"{job.key}/{number:05d}"


def training_job_name(job: Resource, number: int) -> str:
    """``<tuning job>-<number>-<8 hexadecimal digits>``, as AWS names them.

    The digits follow from the job and the number: who asks for the same trial again asks for the same training job.
    """
    digits = hashlib.sha256(f"{job.arn} {job.created!r} {number}".encode()).hexdigest()[:8]
    return f"{job.key}-{number:03d}-{digits}"
