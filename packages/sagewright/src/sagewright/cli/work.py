"""A job or an endpoint by its name alone: which kind of work it is, what Describe says, where its log lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import botocore.exceptions

from sagewright.cli.log_streams import LogStreams
from sagewright.cli.options import fail

_ENDED = frozenset({"Completed", "Failed", "Stopped"})
_UNKNOWN = ("ValidationException", "ResourceNotFound")


@dataclass(frozen=True, slots=True)
class Kind:
    """``title`` is what a person calls it; ``name`` the prefix of its members, in AWS's spelling."""

    title: str
    name: str
    operation: str
    group: str

    def describe(self, sagemaker: Any, name: str) -> dict[str, Any] | None:
        """The description, None when there is none of this kind."""
        try:
            found: dict[str, Any] = getattr(sagemaker, self.operation)(**{f"{self.name}Name": name})
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _UNKNOWN:
                return None
            raise
        return found

    def status(self, description: dict[str, Any]) -> str:
        """Completed, InService …"""
        return str(description[f"{self.name}Status"])

    def log(self, sagemaker: Any, logs: Any, name: str) -> LogStreams:
        """Its log streams (DG logging-cloudwatch): of a job those that begin with its name, of what serves its own group's."""
        if self.name in ("Endpoint", "InferenceComponent"):
            return LogStreams(logs, f"{self.group}/{name}", "", lambda: False)
        return LogStreams(logs, self.group, f"{name}/", lambda: self._ended(sagemaker, name))

    def _ended(self, sagemaker: Any, name: str) -> bool:
        found = self.describe(sagemaker, name)
        return found is None or self.status(found) in _ENDED


KINDS = (
    Kind("training job", "TrainingJob", "describe_training_job", "/aws/sagemaker/TrainingJobs"),
    Kind("processing job", "ProcessingJob", "describe_processing_job", "/aws/sagemaker/ProcessingJobs"),
    Kind("transform job", "TransformJob", "describe_transform_job", "/aws/sagemaker/TransformJobs"),
    Kind("endpoint", "Endpoint", "describe_endpoint", "/aws/sagemaker/Endpoints"),
    Kind("inference component", "InferenceComponent", "describe_inference_component", "/aws/sagemaker/InferenceComponents"),
)
NAMES = "training job, processing job, transform job, endpoint or inference component"


def find_or_exit(sagemaker: Any, name: str) -> tuple[Kind, dict[str, Any]]:
    """The first kind that has something of this name, and its description."""
    for kind in KINDS:
        found = kind.describe(sagemaker, name)
        if found is not None:
            return kind, found
    fail(f"there is no {NAMES} named {name}")
