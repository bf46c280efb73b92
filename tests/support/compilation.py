"""A Sagewright with compilation jobs in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import ROLE, Parts

from sagewright.features.compilation.feature import KIND, QUIRKS, RULES, compilation
from sagewright.jobs.feature import JobFeature
from sagewright.jobs.ground import Ground
from support.job_rig import FakeRig
from support.jobs import archive


class CompilationRig(FakeRig):
    """See support.job_rig."""

    KIND = KIND
    kinds = frozenset({KIND})
    rules = RULES
    quirks = QUIRKS

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        super().__init__(tmp_path, **options)
        self.objects.put("s3://bucket/model.tar.gz", archive({"model.joblib": b"x"}))

    def composed(self, ground: Ground, parts: Parts) -> JobFeature:
        return compilation(ground)

    def request(self, name: str, **changes: Any) -> dict[str, Any]:
        return compilation_job(name, **changes)


def compilation_job(name: str, **changes: Any) -> dict[str, Any]:
    """A CreateCompilationJob request."""
    return {
        "CompilationJobName": name,
        "RoleArn": ROLE,
        "InputConfig": {"S3Uri": "s3://bucket/model.tar.gz", "Framework": "SKLEARN"},
        "OutputConfig": {"S3OutputLocation": "s3://bucket/out", "TargetDevice": "ml_c5"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        **changes,
    }
