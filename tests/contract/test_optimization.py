"""Optimization jobs through boto3, the real loop and rows; containers and S3 are stand-ins. Once plainly, once with every action twice (L01)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from harness import ROLE, WORLD
from support.job_rig import fails, hurry
from support.optimization import INT8, SHARDS, OptimizationRig

from sagewright.compute.runtime import InstanceSpec
from sagewright.features.optimization import plan

LMI = "763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.31.0-lmi13.0.0-cu124"


def optimizes(spec: InstanceSpec) -> int:
    """A program that does what the container of an optimization does."""
    asked = json.loads((spec.ml / "input/config/optimizationjob.json").read_text())
    found = sorted(str(file.relative_to(spec.ml / "input/model")) for file in (spec.ml / "input/model").rglob("*.*"))
    (spec.ml / "model/parts").mkdir(exist_ok=True)
    (spec.ml / "model/config.json").write_text(json.dumps([asked, found]))
    (spec.ml / "model/parts/code.py").write_text("")
    return 0


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OptimizationRig]:
    with OptimizationRig(tmp_path, twice=request.param) as made:
        yield made


def written(rig: OptimizationRig) -> Any:
    return json.loads(rig.objects.get("s3://bucket/out/config.json"))


def test_from_model_to_optimized_model(rig: OptimizationRig) -> None:
    """API DescribeOptimizationJob: status, times, image; the files lie below S3OutputLocation; nothing is left on disk."""
    rig.runtime.program = optimizes
    arn = rig.create()
    found = rig.ended()
    assert found["OptimizationJobStatus"] == "COMPLETED", found
    assert found["OptimizationJobArn"] == arn == f"arn:aws:sagemaker:{WORLD.region}:{WORLD.account}:optimization-job/job"
    assert found["CreationTime"] <= found["OptimizationStartTime"] <= found["OptimizationEndTime"]
    assert "FailureReason" not in found
    image = found["OptimizationOutput"]["RecommendedInferenceImage"]
    assert image.startswith(f"763104351884.dkr.ecr.{WORLD.region}.amazonaws.com/djl-inference:")
    assert [key for key in rig.objects.keys("bucket") if key.startswith("out/")] == ["out/config.json", "out/parts/code.py"]
    task, files = written(rig)
    assert task == {"Technique": "Quantization", "Bits": 8, "Shards": 1, "TrustsCode": False}
    assert files == ["config.json", "tokens/merges.txt"]
    (spec,) = rig.runtime.started
    assert (spec.network, spec.argv[-1]) == ("isolated", "optimize")
    assert not any(name.startswith("AWS_") for name in spec.env)
    rig.until(lambda: rig.folder().exists(), lambda there: not there)


def test_an_archive_and_options_over_options(rig: OptimizationRig) -> None:
    """API OverrideEnvironment: it wins over OptimizationEnvironment; the image of the request is recommended."""
    rig.runtime.program = optimizes
    override = {"OPTION_QUANTIZE": "awq", "OPTION_TRUST_REMOTE_CODE": "true"}
    rig.create(
        ModelSource={"S3": {"S3Uri": "s3://bucket/model.tar.gz", "ModelAccessConfig": {"AcceptEula": True}}},
        OptimizationEnvironment={"OPTION_QUANTIZE": "int8"},
        OptimizationConfigs=[{"ModelQuantizationConfig": {"Image": LMI, "OverrideEnvironment": override}}],
    )
    assert rig.ended()["OptimizationOutput"] == {"RecommendedInferenceImage": LMI}
    assert written(rig) == [{"Technique": "Quantization", "Bits": 4, "Shards": 1, "TrustsCode": True}, ["config.json"]]


def test_a_model_of_the_account_in_shards(rig: OptimizationRig) -> None:
    rig.runtime.program = optimizes
    container = {"Image": LMI, "ModelDataUrl": "s3://bucket/model.tar.gz"}
    rig.sagemaker.create_model(ModelName="text", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    rig.create(ModelSource={"SageMakerModel": {"ModelName": "text"}}, OptimizationConfigs=[SHARDS])
    assert rig.ended()["OptimizationJobStatus"] == "COMPLETED"
    assert written(rig) == [{"Technique": "Sharding", "Bits": 0, "Shards": 3, "TrustsCode": False}, ["config.json"]]
    rig.sagemaker.create_model(ModelName="empty", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": LMI})
    rig.create("other", ModelSource={"SageMakerModel": {"ModelName": "empty"}})
    assert rig.ended("other")["FailureReason"] == "ClientError: The model empty names no data of one model in S3."


def test_the_containers_reason_is_the_jobs(rig: OptimizationRig) -> None:
    rig.runtime.program = fails
    rig.create()
    found = rig.ended()
    assert (found["OptimizationJobStatus"], found["FailureReason"]) == (
        "FAILED",
        "ClientError: InputConfiguration: it is green",
    )
    assert "OptimizationOutput" not in found
    assert not [key for key in rig.objects.keys("bucket") if key.startswith("out/")]


@pytest.mark.parametrize(
    "uri", ["s3://bucket/none", "s3://bucket/none.tar.gz", "s3://nobody/model", "s3://bucket/broken.tar.gz"]
)
def test_a_model_that_cannot_be_had_fails_the_job(rig: OptimizationRig, uri: str) -> None:
    rig.objects.put("s3://bucket/broken.tar.gz", b"no archive")
    rig.create(ModelSource={"S3": {"S3Uri": uri}})
    found = rig.ended()
    assert found["OptimizationJobStatus"] == "FAILED"
    assert found["FailureReason"].startswith("ClientError: Failed to ")
    assert rig.runtime.started == []


def test_stop_list_and_delete(rig: OptimizationRig) -> None:
    rig.create(Tags=[{"Key": "team", "Value": "text"}])
    rig.runs()
    arn = rig.describe()["OptimizationJobArn"]
    assert rig.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "text"}]
    with pytest.raises(botocore.exceptions.ClientError, match="Stop it first"):
        rig.sagemaker.delete_optimization_job(OptimizationJobName="job")
    rig.sagemaker.stop_optimization_job(OptimizationJobName="job")
    assert rig.ended()["OptimizationJobStatus"] == "STOPPED"
    listed = rig.sagemaker.list_optimization_jobs
    (summary,) = listed(OptimizationContains="Quantization", StatusEquals="STOPPED")["OptimizationJobSummaries"]
    assert (summary["OptimizationTypes"], summary["DeploymentInstanceType"]) == (["Quantization"], "ml.g5.2xlarge")
    assert summary["OptimizationStartTime"] <= summary["OptimizationEndTime"]
    assert listed(OptimizationContains="Compilation")["OptimizationJobSummaries"] == []
    with pytest.raises(botocore.exceptions.ClientError, match="in status STOPPED"):
        rig.sagemaker.stop_optimization_job(OptimizationJobName="job")
    rig.sagemaker.delete_optimization_job(OptimizationJobName="job")
    rig.until(lambda: listed()["OptimizationJobSummaries"], lambda left: not left)


def test_the_time_limit_stops_it(rig: OptimizationRig) -> None:
    rig.create(StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert rig.ended()["OptimizationJobStatus"] == "STOPPED"


def test_a_control_that_comes_back_goes_on(rig: OptimizationRig) -> None:
    rig.create()
    rig.runs()
    rig.restart()
    spec = rig.runtime.started[0]
    rig.runtime.finish(spec.folder, optimizes(spec))
    assert rig.ended()["OptimizationJobStatus"] == "COMPLETED"
    assert len(rig.runtime.started) == 1


def test_a_container_without_a_trace_is_our_fault(rig: OptimizationRig) -> None:
    rig.create()
    rig.runs()
    rig.runtime.lose(rig.runtime.started[0].folder)
    assert rig.ended()["FailureReason"] == plan.LOST


def _configs(*members: str) -> dict[str, Any]:
    environment = {"OPTION_QUANTIZE": "int8", "OPTION_TENSOR_PARALLEL_DEGREE": "2"}
    return {"OptimizationConfigs": [{member: {"OverrideEnvironment": environment}} for member in members]}


def _quantize(**environment: str) -> dict[str, Any]:
    return {"OptimizationConfigs": [{"ModelQuantizationConfig": {"OverrideEnvironment": environment}}]}


def _degree(degree: str) -> dict[str, Any]:
    environment = {"OPTION_TENSOR_PARALLEL_DEGREE": degree}
    return {"OptimizationConfigs": [{"ModelShardingConfig": {"OverrideEnvironment": environment}}]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ModelSource": {}}, "Exactly one of S3 and SageMakerModel"),
        ({"ModelSource": {"S3": {"S3Uri": "https://bucket/model"}}}, "must name a model in S3"),
        ({"ModelSource": {"SageMakerModel": {"ModelName": "nobody"}}}, "Could not find model"),
        ({"OptimizationConfigs": []}, "at least one technique"),
        (_configs("ModelQuantizationConfig", "ModelQuantizationConfig"), "can be given once"),
        (_configs("ModelQuantizationConfig", "ModelShardingConfig"), "mutually exclusive"),
        (_configs("ModelCompilationConfig"), "ModelCompilationConfig is not supported"),
        ({"OptimizationConfigs": [{"ModelSpeculativeDecodingConfig": {"Technique": "EAGLE"}}]}, "EAGLE"),
        (_quantize(), "OPTION_QUANTIZE is required"),
        (_quantize(OPTION_QUANTIZE="fp8"), "OPTION_QUANTIZE=fp8 is not supported"),
        (_degree("two"), "whole number from 1 to 64"),
        ({"OptimizationConfigs": [{"ModelShardingConfig": {}}]}, "required environment variable"),
        ({"DeploymentInstanceType": "ml.inf2.xlarge"}, "Neuron"),
        (
            {"OptimizationConfigs": [{"ModelQuantizationConfig": {**INT8["ModelQuantizationConfig"], "Image": "a/b:1"}}]},
            "image",
        ),
        (
            {"OutputConfig": {"S3OutputLocation": "s3://bucket/out", "SageMakerModel": {"ModelName": "m"}}},
            "OutputConfig.SageMakerModel",
        ),
        ({"OutputConfig": {"S3OutputLocation": "https://bucket"}}, "no place in S3"),
    ],
)
def test_what_create_refuses(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with OptimizationRig(tmp_path) as rig, pytest.raises(botocore.exceptions.ClientError, match=words) as caught:
        rig.create(**changes)
    assert caught.value.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound")
