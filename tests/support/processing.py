"""A Sagewright with processing jobs in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from harness import ROLE, Parts

from sagewright.features.processing.feature import processing
from sagewright.features.processing.kinds import QUIRKS
from sagewright.jobs.feature import JobFeature
from sagewright.jobs.ground import Ground
from sagewright.neighbours.iam.operations import Iam
from support.job_rig import FakeRig
from support.training import SKLEARN

INPUT = "/opt/ml/processing/input/data"
OUTPUT = "/opt/ml/processing/output"


class ProcessingRig(FakeRig):
    """See support.job_rig."""

    KIND = "ProcessingJob"
    kinds = frozenset({KIND})
    quirks = QUIRKS

    def __init__(self, tmp_path: Path, **options: Any) -> None:
        super().__init__(tmp_path, **options)
        self.tables = tmp_path / "tables.toml"
        self.objects.put("s3://bucket/in/a.csv", b"1,2")

    def __enter__(self) -> Self:
        super().__enter__()
        self.iam = self.harness.client("iam")
        return self

    def composed(self, ground: Ground, parts: Parts) -> JobFeature:
        return processing(ground, self.tables)

    def _install(self, parts: Parts) -> None:
        super()._install(parts)
        parts.operations.write_all("iam", Iam(parts.store).operations())

    def request(self, name: str, **changes: Any) -> dict[str, Any]:
        return processing_job(name, **changes)


def s3_input(name: str = "data", uri: str = "s3://bucket/in/", path: str = INPUT, **changes: Any) -> dict[str, Any]:
    source = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": {**source, **changes}}


def s3_output(name: str = "out", uri: str = "s3://bucket/out", path: str = OUTPUT, mode: str = "EndOfJob") -> dict[str, Any]:
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": mode}}


def cluster(count: int = 1) -> dict[str, Any]:
    return {"ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 5}}


def processing_job(name: str = "job", **changes: Any) -> dict[str, Any]:
    return {
        "ProcessingJobName": name,
        "RoleArn": ROLE,
        "AppSpecification": {"ImageUri": SKLEARN, "ContainerEntrypoint": ["python3", f"{INPUT}/x.py"]},
        "ProcessingInputs": [s3_input()],
        "ProcessingOutputConfig": {"Outputs": [s3_output()]},
        "ProcessingResources": cluster(),
        **changes,
    }
