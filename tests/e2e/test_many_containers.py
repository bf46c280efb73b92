"""Pipelines, multi-model endpoints and inference components on a real server, signed, over HTTP (K06, K07)."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest
from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, SKLEARN, XGBOOST, Server, eventually
from support.serving import xgboost_model

from sagewright.compute import records
from sagewright.compute.retirement import run_folders

ADD = """
def model_fn(folder): return None
def input_fn(body, content_type): return [[float(cell) for cell in line.split(",")] for line in body.splitlines()]
def predict_fn(rows, model): return [[row[0] + 1, row[1]] for row in rows]
def output_fn(rows, accept): return "".join(",".join(map(str, row)) + "\\n" for row in rows), "text/csv"
"""


KINDS = ("endpoint", "inference-component")


def users(server: Server) -> list[records.Identity]:
    """The users' processes of our serving containers; other tests have theirs on the same server."""
    folders = [folder for folder in run_folders(server.settings.jobs, KINDS) if "several-" in str(folder)]
    found = (records.read(folder, records.STARTED) or {} for folder in folders)
    return [records.Identity(*record["user"]) for record in found if record.get("user")]


def deploy(server: Server, name: str, **model: Any) -> None:
    sagemaker = server.client("sagemaker")
    variant = {"VariantName": "AllTraffic", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    role = {"ExecutionRoleArn": ROLE}
    if model:
        sagemaker.create_model(ModelName=name, **role, **model)
        variant["ModelName"], role = name, {}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **role)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    found = wait_for_endpoint(sagemaker, name)
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")


def test_three_ways_to_serve_more_than_one_model(server: Server) -> None:
    """Each is asked, refuses what is wrong in a modelled error, and leaves no process behind."""
    name = bucket(server, "many-containers")
    s3, sagemaker, runtime = server.client("s3"), server.client("sagemaker"), server.client("sagemaker-runtime")
    for slope in (1, 2):
        s3.put_object(Bucket=name, Key=f"models/{slope}.tar.gz", Body=archive({"xgboost-model": xgboost_model(slope)}))
    s3.put_object(Bucket=name, Key="add.tar.gz", Body=archive({"code/inference.py": ADD}))

    def ask(endpoint: str, **arguments: Any) -> float:
        answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Body=b"3,1", **arguments)
        return float(answer["Body"].read())

    model = {"Image": XGBOOST, "ModelDataUrl": f"s3://{name}/models/1.tar.gz"}
    deploy(server, "several-pipe", Containers=[{"Image": SKLEARN, "ModelDataUrl": f"s3://{name}/add.tar.gz"}, model])
    deploy(
        server,
        "several-many",
        PrimaryContainer={"Image": XGBOOST, "Mode": "MultiModel", "ModelDataUrl": f"s3://{name}/models/"},
    )
    deploy(server, "several-host")
    needs = {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 512}
    container = {"Image": XGBOOST, "ArtifactUrl": f"s3://{name}/models/2.tar.gz"}
    sagemaker.create_inference_component(
        InferenceComponentName="several-guest",
        EndpointName="several-host",
        VariantName="AllTraffic",
        Specification={"Container": container, "ComputeResourceRequirements": needs},
        RuntimeConfig={"CopyCount": 1},
    )
    eventually(
        lambda: (
            sagemaker.describe_inference_component(InferenceComponentName="several-guest")["InferenceComponentStatus"]
            == "InService"
        )
    )
    assert ask("several-pipe") == pytest.approx(4.0, abs=0.4)
    assert ask("several-many", TargetModel="2.tar.gz") == pytest.approx(6.0, abs=0.4)
    assert ask("several-host", InferenceComponentName="several-guest") == pytest.approx(6.0, abs=0.4)
    for endpoint, arguments, words in (
        ("several-pipe", {"TargetContainerHostname": "container-1"}, "not configured for direct invocation"),
        ("several-many", {"TargetModel": "3.tar.gz"}, "Failed to download model data"),
        ("several-many", {"TargetModel": "../add.tar.gz"}, "not a valid relative path"),
        ("several-host", {}, "Inference Component Name header is required"),
    ):
        with pytest.raises(botocore.exceptions.ClientError, match=words) as caught:
            ask(endpoint, **arguments)
        assert caught.value.response["Error"]["Code"] == "ValidationError"
    running = users(server)
    assert len(running) >= 4
    sagemaker.delete_inference_component(InferenceComponentName="several-guest")
    eventually(lambda: not sagemaker.list_inference_components(NameContains="several-")["InferenceComponents"])
    for endpoint in ("several-pipe", "several-many", "several-host"):
        sagemaker.delete_endpoint(EndpointName=endpoint)
    eventually(lambda: not sagemaker.list_endpoints(NameContains="several-")["Endpoints"], 60)
    assert not [folder for kind in KINDS for folder in server.settings.jobs.glob(f"{kind}/*/*/several-*")]
    eventually(lambda: not [identity for identity in running if records.alive(identity)])
