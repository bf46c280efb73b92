"""Endpoints and transform jobs whose replicas have several containers, in real containers; only S3 is a stand-in.

Feature K07; Developer Guide inference-pipelines, multi-container-endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import orjson
import pytest
from harness import ROLE
from support.serving import MODEL, SKLEARN, XGBOOST, Rig, archive, variant

from sagewright.compute.capabilities import choose
from sagewright.compute.host import Host
from sagewright.compute.runtime import Runtime
from sagewright.wire.errors import Fault

GROUP = "/aws/sagemaker/Endpoints/e"
DOUBLE = b"""
import os
def model_fn(folder): return os.environ["SAGEMAKER_BIND_TO_PORT"]
def input_fn(body, content_type):
    if content_type != "text/csv": raise ValueError("not " + content_type)
    return [[float(cell) for cell in line.split(",")] for line in body.splitlines()]
def predict_fn(rows, port): return [[2 * row[0], row[1]] for row in rows]
def output_fn(rows, accept): return "".join(",".join(map(str, row)) + "\\n" for row in rows), "text/csv"
"""
BATCH = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/batch/"}}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    run = tmp_path_factory.mktemp("run")
    chosen = choose("auto", Host(run, (run,)))
    yield chosen
    getattr(chosen, "close", lambda: None)()


@pytest.fixture
def rig(tmp_path: Path, runtime: Runtime, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """Every action is done twice unless the test says otherwise."""
    with Rig(tmp_path, runtime, twice=getattr(request, "param", True)) as made:
        made.objects.put("s3://bucket/double.tar.gz", archive({"code/inference.py": DOUBLE}))
        yield made


def containers(*names: str) -> list[dict[str, Any]]:
    double = {"Image": SKLEARN, "ModelDataUrl": "s3://bucket/double.tar.gz"}
    model = {"Image": XGBOOST, "ModelDataUrl": MODEL}
    return [{**each, "ContainerHostname": name} for each, name in zip((double, model), names, strict=True)]


def pipeline(rig: Rig, mode: str = "Serial", name: str = "model", listed: list[dict[str, Any]] | None = None) -> None:
    rig.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        Containers=listed or containers("first", "second"),
        InferenceExecutionConfig={"Mode": mode},
    )


def serve(rig: Rig) -> dict[str, Any]:
    rig.config("config", variant())
    found = rig.endpoint()
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    return found


@pytest.mark.parametrize("rig", [False, True], indirect=True, ids=["once", "twice"])
def test_a_pipeline_serves_and_leaves_nothing(rig: Rig) -> None:
    """The answer of the first is the body of the second; every container has a log and a latency of its own."""
    pipeline(rig)
    (shown,) = serve(rig)["ProductionVariants"]
    assert [image["SpecifiedImage"] for image in shown["DeployedImages"]] == [SKLEARN, XGBOOST]
    assert float(rig.invoke(b"2,1", accept="text/csv").body) == pytest.approx(4.0, abs=0.3)
    assert b"PayloadPart" in rig.invoke(b"2,1", action="invocations-response-stream").body
    streams = rig.streams(GROUP)
    assert sorted(stream.rpartition("/")[2] for stream in streams) == ["first", "second"]
    assert all(stream.startswith("AllTraffic/i-") for stream in streams)
    with pytest.raises(Fault, match=r"Received server error \(500\) from first with message") as caught:
        rig.invoke(b"2,1", content_type="text/plain")
    assert caught.value.code == "ModelError"
    with pytest.raises(Fault, match="not configured for direct invocation"):
        rig.invoke(b"2,1", x_amzn_sagemaker_target_container_hostname="first")
    counted = orjson.loads(rig.counters.drain(0.0) or b"{}")["samples"]
    assert {(each["name"], each["dimensions"]["ContainerName"]) for each in counted} == {
        ("ContainerLatency", "first"),
        ("ContainerLatency", "second"),
    }
    rig.restart()
    assert float(rig.invoke(b"2,1").body) == pytest.approx(4.0, abs=0.3)
    rig.sagemaker.delete_endpoint(EndpointName="e")
    rig.until(lambda: rig.sagemaker.list_endpoints()["Endpoints"], lambda left: not left)
    assert not list(rig.jobs.glob("endpoint/*/*/*"))


def test_direct_invocation_reaches_the_container_that_is_named(rig: Rig) -> None:
    """DG multi-container-direct: its three refusals are ValidationErrors."""
    pipeline(rig, "Direct")
    serve(rig)
    header = "x_amzn_sagemaker_target_container_hostname"
    assert rig.invoke(b"2,1", **{header: "first"}).body == b"4.0,1.0\n"
    assert float(rig.invoke(b"2,1", **{header: "second"}).body) == pytest.approx(2.0, abs=0.3)
    for given, words in (({}, "is required for endpoint e"), ({header: "third"}, "third does not exist in endpoint e")):
        with pytest.raises(Fault, match=words) as caught:
            rig.invoke(b"2,1", **given)
        assert caught.value.code == "ValidationError"


def test_a_container_that_cannot_start_fails_the_endpoint_by_name(rig: Rig) -> None:
    listed = containers("first", "second")
    listed[1]["ModelDataUrl"] = "s3://bucket/missing.tar.gz"
    pipeline(rig, listed=listed)
    rig.config()
    found = rig.endpoint()
    assert found["EndpointStatus"] == "Failed"
    assert found["FailureReason"].startswith('Failed to download model data for container "second" from URL')


def test_what_createmodel_refuses(rig: Rig) -> None:
    """API CreateModel, ContainerDefinition; K07: sixteen containers."""
    named = containers("first", "second")
    unnamed = [{key: value for key, value in each.items() if key != "ContainerHostname"} for each in named]
    for listed, mode, words in (
        ([named[0]] * 16, "Serial", "Member must have length less than or equal to 15"),
        (unnamed, "Direct", "ContainerHostname must be specified"),
        ([named[0]], "Direct", "more than one container"),
        ([named[0], unnamed[1]], "Serial", "must be specified for every container"),
        ([named[0], named[0]], "Serial", "Duplicate ContainerHostname: first"),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=words) as caught:
            pipeline(rig, mode, listed=listed)
        assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_model_package_stands_for_its_container(rig: Rig) -> None:
    """M02; API ContainerDefinition, ModelPackageName: what the model says besides is added."""
    rig.sagemaker.create_model_package_group(ModelPackageGroupName="group")
    specification = {
        "Containers": [{"Image": XGBOOST, "ModelDataUrl": MODEL, "Environment": {"A": "1"}}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    made = rig.sagemaker.create_model_package(
        ModelPackageGroupName="group", InferenceSpecification=specification, ModelApprovalStatus="Approved"
    )["ModelPackageArn"]
    double = {"Image": SKLEARN, "ModelDataUrl": "s3://bucket/double.tar.gz"}
    pipeline(rig, listed=[double, {"ModelPackageName": made}])
    serve(rig)
    assert float(rig.invoke(b"2,1", accept="text/csv").body) == pytest.approx(4.0, abs=0.3)
    assert sorted(stream.rpartition("/")[2] for stream in rig.streams(GROUP)) == ["container-1", "container-2"]
    rig.sagemaker.update_model_package(ModelPackageArn=made, ModelApprovalStatus="Rejected")
    rig.sagemaker.create_endpoint(EndpointName="refused", EndpointConfigName="config")
    assert "approval status Rejected" in rig.settled("refused")["FailureReason"]


def test_a_pipeline_transforms_a_batch(rig: Rig) -> None:
    """K05, K07: DG inference-pipeline-batch."""
    pipeline(rig)
    rig.objects.put("s3://bucket/batch/one.csv", b"1,1\n2,1\n3,1\n")
    rig.sagemaker.create_transform_job(
        TransformJobName="job",
        ModelName="model",
        TransformInput={"DataSource": BATCH, "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": "s3://bucket/out", "AssembleWith": "Line", "Accept": "text/csv"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    job = rig.until(
        lambda: rig.sagemaker.describe_transform_job(TransformJobName="job"),
        lambda found: found["TransformJobStatus"] in ("Completed", "Failed"),
    )
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    answers = rig.objects.get("s3://bucket/out/one.csv.out").split()
    assert [float(answer) for answer in answers] == pytest.approx([2.0, 4.0, 6.0], abs=0.3)
