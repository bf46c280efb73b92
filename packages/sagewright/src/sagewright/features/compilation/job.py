"""What a compilation job asks for, read from its request: its container, the name of its artefact, the image that serves it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from sagewright.compute.images import TENSORFLOW_COMPILER, Image
from sagewright.jobs.launch import Program
from sagewright.objects.s3 import Location
from sagewright.store.rows import Resource

TENSORFLOW = ("TENSORFLOW", "KERAS")
_IMAGE = "xgboost-neo"
GRACE_SECONDS = 10.0
"""Between SIGTERM and SIGKILL: a conversion has nothing to save."""
DEFAULT_MAX_RUNTIME = 900
_ACCOUNT = "785573368785"  # of AWS's images of Neo in us-east-1; here the repository's name decides
_SERVED_BY = {
    "XGBOOST": "xgboost-neo:latest",
    "SKLEARN": "xgboost-neo:latest",
    **dict.fromkeys(TENSORFLOW, "sagemaker-inference-tensorflow:2.9.2-cpu-py3"),
}
_SERVED_ELSE = "sagemaker-inference-pytorch:2.0-cpu-py3"


def program(resource: Resource) -> Program:
    """For jobs.launch. What the user's pickles may do they do in a container without a network."""
    return Program(
        image_uri=image(resource.spec),
        command=_command,
        environment=dict,
        isolated=True,
        seconds=max_runtime(resource.spec) + GRACE_SECONDS,
    )


def image(spec: Mapping[str, Any]) -> str:
    """What compiles is in the image that serves what was compiled; only TensorFlow is not where its compiled models are served."""
    return TENSORFLOW_COMPILER if spec["InputConfig"]["Framework"] in TENSORFLOW else _IMAGE


def max_runtime(spec: Mapping[str, Any]) -> float:
    """Seconds."""
    return float(spec.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME))


def target(spec: Mapping[str, Any]) -> str:
    """``ml_c5``, or of a platform ``LINUX_X86_64``."""
    output = spec["OutputConfig"]
    if "TargetDevice" in output:
        return str(output["TargetDevice"])
    platform = output["TargetPlatform"]
    return "_".join(filter(None, (platform["Os"], platform["Arch"], platform.get("Accelerator", ""))))


def artefact(spec: Mapping[str, Any]) -> Location:
    """``<S3OutputLocation>/<model>-<target>.tar.gz``. Raises ValueError."""
    name = PurePosixPath(spec["InputConfig"]["S3Uri"]).name.removesuffix(".tar.gz")
    return Location.parse(f"{spec['OutputConfig']['S3OutputLocation'].rstrip('/')}/{name}-{target(spec)}.tar.gz")


def inference_image(region: str, spec: Mapping[str, Any]) -> str:
    """DescribeCompilationJob: InferenceImage."""
    served_by = _SERVED_BY.get(spec["InputConfig"]["Framework"], _SERVED_ELSE)
    return f"{_ACCOUNT}.dkr.ecr.{region}.amazonaws.com/{served_by}"


def task(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What the container finds as /opt/ml/input/config/compilationjob.json."""
    given = spec["InputConfig"]
    return {"Framework": given["Framework"], "DataInputConfig": given.get("DataInputConfig", ""), "Target": target(spec)}


def _command(image: Image, python: str) -> tuple[str, ...]:
    return (python, "-m", "sagewright_container", "compile")
