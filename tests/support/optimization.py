"""A Sagewright with optimization jobs in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import ROLE, Parts

from sagewright.features.optimization.feature import KIND, QUIRKS, RULES, optimization
from sagewright.jobs.feature import JobFeature
from sagewright.jobs.ground import Ground
from support.job_rig import FakeRig
from support.jobs import archive

INT8 = {"ModelQuantizationConfig": {"OverrideEnvironment": {"OPTION_QUANTIZE": "int8"}}}
SHARDS = {"ModelShardingConfig": {"OverrideEnvironment": {"OPTION_TENSOR_PARALLEL_DEGREE": "3"}}}


class OptimizationRig(FakeRig):
    """See support.job_rig."""

    KIND = KIND
    kinds = frozenset({KIND})
    rules = RULES
    quirks = QUIRKS

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        super().__init__(tmp_path, **options)
        self.objects.put("s3://bucket/model/config.json", b"{}")
        self.objects.put("s3://bucket/model/tokens/merges.txt", b"a b")
        self.objects.put("s3://bucket/modelling.txt", b"another's")
        self.objects.put("s3://bucket/model.tar.gz", archive({"config.json": b"{}"}))

    def composed(self, ground: Ground, parts: Parts) -> JobFeature:
        return optimization(ground)

    def request(self, name: str, **changes: Any) -> dict[str, Any]:
        return optimization_job(name, **changes)


def optimization_job(name: str, **changes: Any) -> dict[str, Any]:
    """A CreateOptimizationJob request."""
    return {
        "OptimizationJobName": name,
        "RoleArn": ROLE,
        "ModelSource": {"S3": {"S3Uri": "s3://bucket/model"}},
        "DeploymentInstanceType": "ml.g5.2xlarge",
        "OptimizationConfigs": [INT8],
        "OutputConfig": {"S3OutputLocation": "s3://bucket/out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }
