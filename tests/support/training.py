"""A Sagewright with training jobs in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import ROLE, Parts

from sagewright.compute.runtime import Runtime
from sagewright.features.training.feature import Training
from sagewright.features.training.prospects import NO_LIMITS, Terms
from sagewright.jobs.ground import Ground
from sagewright.neighbours.service_quotas import ServiceQuotas
from support.job_rig import Containers, JobRig

XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
LDA = "766337827248.dkr.ecr.us-east-1.amazonaws.com/lda:1"
PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6-cpu-py312"
# A tag without a version is met by whichever the server has: nothing of it is said in the log.
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:latest-cpu-py3"


class Rig(JobRig):
    """See support.job_rig; the test brings the runtime."""

    KIND = "TrainingJob"
    kinds = frozenset({KIND})
    quirks = Training.quirks
    training: Training

    def __init__(self, tmp_path: Path, runtime: Runtime, terms: Terms = NO_LIMITS, **options: Any) -> None:
        self._terms = terms
        super().__init__(tmp_path, runtime, **options)
        self.objects.put("s3://bucket/train/a.csv", b"1,2")

    def composed(self, ground: Ground, parts: Parts) -> Training:
        self.training = Training(ground, self._terms)
        return self.training

    def _install(self, parts: Parts) -> None:
        super()._install(parts)
        parts.operations.write_all("service-quotas", ServiceQuotas(parts.store).operations())

    def request(self, name: str, **changes: Any) -> dict[str, Any]:
        return request(name, **changes)

    def reach(self, *states: str, name: str = "job", member: str = "TrainingJobStatus") -> dict[str, Any]:
        return self.until(lambda: self.describe(name), lambda job: job[member] in states)


class FakeRig(Rig):
    """With containers that only the test moves."""

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        self.runtime = Containers()
        super().__init__(tmp_path, self.runtime, **options)


def statuses(job: dict[str, Any]) -> list[str]:
    return [step["Status"] for step in job["SecondaryStatusTransitions"]]


def request(name: str = "job", **changes: Any) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/train/"}
    return {
        "TrainingJobName": name,
        "RoleArn": ROLE,
        "AlgorithmSpecification": {"TrainingImage": SKLEARN, "TrainingInputMode": "File"},
        "HyperParameters": {"depth": "3"},
        "InputDataConfig": [{"ChannelName": "train", "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        **changes,
    }
