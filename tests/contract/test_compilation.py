"""Compilation jobs through boto3, the real loop and rows; containers and S3 are stand-ins. Once plainly, once with every action twice (L01)."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import botocore.exceptions
import pytest
from harness import WORLD
from support.compilation import CompilationRig
from support.job_rig import fails, hurry

from sagewright.compute.runtime import InstanceSpec


def compiles(spec: InstanceSpec) -> int:
    """A program that does what the container of a compilation does."""
    asked = json.loads((spec.ml / "input/config/compilationjob.json").read_text())
    assert sorted(file.name for file in (spec.ml / "input/model").iterdir()) == ["model.joblib"]
    (spec.ml / "model/model.onnx").write_text(asked["Framework"])
    (spec.folder / "stdout").write_text("compiled\n")
    return 0


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[CompilationRig]:
    with CompilationRig(tmp_path, twice=request.param) as made:
        yield made


def test_from_archive_to_artefact(rig: CompilationRig) -> None:
    """API DescribeCompilationJob: status, times, image, artefact; nothing is left on disk."""
    rig.runtime.program = compiles
    arn = rig.create()
    found = rig.ended()
    assert found["CompilationJobStatus"] == "COMPLETED", found
    assert found["CompilationJobArn"] == arn == f"arn:aws:sagemaker:{WORLD.region}:{WORLD.account}:compilation-job/job"
    assert found["CompilationStartTime"] <= found["CompilationEndTime"]
    assert found["FailureReason"] == ""
    assert found["InferenceImage"].endswith("/xgboost-neo:latest")
    target = found["ModelArtifacts"]["S3ModelArtifacts"]
    assert target == "s3://bucket/out/model-ml_c5.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(rig.objects.get(target))) as tar:
        assert tar.getnames() == ["model.onnx"]
    assert len(rig.runtime.started) == 1
    spec = rig.runtime.started[0]
    assert (spec.network, spec.argv[-1]) == ("isolated", "compile")
    assert not any(name.startswith("AWS_") for name in spec.env)
    rig.until(lambda: rig.folder().parent.exists(), lambda there: not there)


@pytest.mark.parametrize(("framework", "entry"), [("TENSORFLOW", "input"), ("KERAS", "image")])
def test_models_of_tensorflow_are_compiled_where_tensorflow_is(rig: CompilationRig, framework: str, entry: str) -> None:
    """L01: in an environment of its own; served without TensorFlow, by the image that Describe names."""
    rig.runtime.program = compiles
    given = {"S3Uri": "s3://bucket/model.tar.gz", "Framework": framework}
    for shapes, words in (("", "is required"), ("[[1, 2]]", "must name its inputs")):
        with pytest.raises(botocore.exceptions.ClientError, match=words):
            rig.create(InputConfig={**given, "DataInputConfig": shapes} if shapes else given)
    rig.create(InputConfig={**given, "DataInputConfig": json.dumps({entry: [1, 2]})})
    found = rig.ended()
    assert found["CompilationJobStatus"] == "COMPLETED", found
    assert found["InferenceImage"].endswith("/sagemaker-inference-tensorflow:2.9.2-cpu-py3")
    assert rig.runtime.started[0].image == "neotensorflow"
    assert rig.environments.interpreter("neo") == sys.executable


def test_the_containers_reason_is_the_jobs(rig: CompilationRig) -> None:
    rig.runtime.program = fails
    rig.create()
    found = rig.ended()
    assert (found["CompilationJobStatus"], found["FailureReason"]) == ("FAILED", "ClientError: InputConfiguration: it is green")
    assert rig.objects.keys("bucket") == ["model.tar.gz"]


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_an_archive_that_cannot_be_had_fails_the_job(rig: CompilationRig, content: bytes | None) -> None:
    if content is not None:
        rig.objects.put("s3://bucket/other.tar.gz", content)
    rig.create(InputConfig={"S3Uri": "s3://bucket/other.tar.gz", "Framework": "ONNX"})
    found = rig.ended()
    assert found["CompilationJobStatus"] == "FAILED"
    assert found["FailureReason"].startswith("ClientError: ")
    assert rig.runtime.started == []


def test_stop_and_delete(rig: CompilationRig) -> None:
    rig.create()
    rig.runs()
    with pytest.raises(botocore.exceptions.ClientError, match="Stop it first"):
        rig.sagemaker.delete_compilation_job(CompilationJobName="job")
    rig.sagemaker.stop_compilation_job(CompilationJobName="job")
    assert rig.ended()["CompilationJobStatus"] == "STOPPED"
    with pytest.raises(botocore.exceptions.ClientError, match="in status STOPPED"):
        rig.sagemaker.stop_compilation_job(CompilationJobName="job")
    rig.sagemaker.delete_compilation_job(CompilationJobName="job")
    rig.until(lambda: rig.sagemaker.list_compilation_jobs()["CompilationJobSummaries"], lambda left: not left)


def test_the_time_limit_stops_it(rig: CompilationRig) -> None:
    rig.create(StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert rig.ended()["CompilationJobStatus"] == "STOPPED"


def test_a_control_that_comes_back_goes_on(rig: CompilationRig) -> None:
    rig.create()
    rig.runs()
    rig.restart()
    spec = rig.runtime.started[0]
    rig.runtime.finish(spec.folder, compiles(spec))
    assert rig.ended()["CompilationJobStatus"] == "COMPLETED"
    assert len(rig.runtime.started) == 1


def test_a_platform_names_the_artefact(rig: CompilationRig) -> None:
    rig.runtime.program = compiles
    platform = {"Os": "LINUX", "Arch": "ARM64", "Accelerator": "NVIDIA"}
    rig.create(OutputConfig={"S3OutputLocation": "s3://bucket/out/", "TargetPlatform": platform})
    assert rig.ended()["ModelArtifacts"]["S3ModelArtifacts"] == "s3://bucket/out/model-LINUX_ARM64_NVIDIA.tar.gz"
