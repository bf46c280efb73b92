"""Inference Recommender by boto3 against a real server: load on real endpoints, and nothing left of them (L05, L06, L07)."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest
from support.jobs import archive, bucket, log_lines, wait
from support.load import serve_xgboost
from support.server import ROLE, XGBOOST, Server
from support.serving import xgboost_model

ENDED = {"COMPLETED", "FAILED", "STOPPED"}
GROUP = "/aws/sagemaker/InferenceRecommendationsJobs"


def model(server: Server, name: str) -> str:
    """A model of that name, and its sample payload; the bucket of both."""
    store, s3 = bucket(server, f"recommender-{name}"), server.client("s3")
    s3.put_object(Bucket=store, Key="model.tar.gz", Body=archive({"xgboost-model": xgboost_model()}))
    s3.put_object(Bucket=store, Key="payload.tar.gz", Body=archive({"one.csv": "5,1", "two.csv": "3,1\n2,2"}))
    container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{store}/model.tar.gz"}
    server.client("sagemaker").create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    return store


def request(name: str, store: str, kind: str = "Default", **changes: Any) -> dict[str, Any]:
    payload = {"SamplePayloadUrl": f"s3://{store}/payload.tar.gz", "SupportedContentTypes": ["text/csv"]}
    container = {"Domain": "MACHINE_LEARNING", "Task": "OTHER", "Framework": "XGBOOST", "PayloadConfig": payload}
    more = changes.pop("InputConfig", {})
    return {
        "JobName": name,
        "JobType": kind,
        "RoleArn": ROLE,
        "InputConfig": {"ModelName": name, "ContainerConfig": container, **more},
        **changes,
    }


def ended(server: Server, name: str, seconds: float = 120.0) -> dict[str, Any]:
    sagemaker = server.client("sagemaker")
    return wait(lambda: sagemaker.describe_inference_recommendations_job(JobName=name), "Status", ENDED, seconds)


def nothing_is_left(server: Server) -> None:
    sagemaker = server.client("sagemaker")
    wait(lambda: {"left": str(sagemaker.list_endpoints(NameContains="sm-epc")["Endpoints"])}, "left", {"[]"}, 30)
    assert sagemaker.list_models(NameContains="sm-epc")["Models"] == []
    assert sagemaker.list_endpoint_configs(NameContains="sm-epc")["EndpointConfigs"] == []


def test_a_default_job_recommends(server: Server) -> None:
    """Two configurations of one instance type, each under real load."""
    store, sagemaker = model(server, "default"), server.client("sagemaker")
    endpoints = [{"InstanceType": "ml.c5.large"}]
    sagemaker.create_inference_recommendations_job(
        **request("default", store, InputConfig={"EndpointConfigurations": endpoints, "JobDurationInSeconds": 8})
        | {"JobDescription": "which one"}
    )
    job = ended(server, "default")
    assert job["Status"] == "COMPLETED", job
    assert job["CompletionTime"] >= job["CreationTime"]
    found = job["InferenceRecommendations"]
    assert {str(entry["ModelConfiguration"].get("EnvironmentParameters", "")) for entry in found} <= {
        "",
        str([{"Key": "OMP_NUM_THREADS", "ValueType": "String", "Value": "1"}]),
    }
    best = found[0]["Metrics"]
    assert best["CostPerHour"] == pytest.approx(0.102)
    assert best["MaxInvocations"] > 600
    assert best["CostPerInference"] == pytest.approx(0.102 / 60 / best["MaxInvocations"], rel=1e-3)
    assert 1 <= best["ModelLatency"] < 1000
    assert [entry["Metrics"]["CostPerInference"] for entry in found] == sorted(
        entry["Metrics"]["CostPerInference"] for entry in found
    )
    assert found[0]["EndpointConfiguration"]["InstanceType"] == "ml.c5.large"
    assert found[0]["InvocationStartTime"] < found[0]["InvocationEndTime"]
    steps = sagemaker.list_inference_recommendations_job_steps(JobName="default", Status="COMPLETED")["Steps"]
    assert [step["StepType"] for step in steps] == ["BENCHMARK"] * len(found)
    (summary,) = sagemaker.list_inference_recommendations_jobs(ModelNameEquals="default")["InferenceRecommendationsJobs"]
    assert summary["SamplePayloadUrl"] == f"s3://{store}/payload.tar.gz"
    assert any("COMPLETED: MaxInvocations" in line for line in log_lines(server, GROUP, "default/"))
    nothing_is_left(server)
    with pytest.raises(botocore.exceptions.ClientError, match="in status COMPLETED"):
        sagemaker.stop_inference_recommendations_job(JobName="default")


@pytest.mark.slow
def test_an_advanced_job_of_a_model_package(server: Server) -> None:
    """Environment ranges, stairs, a serverless configuration, an endpoint that is there, a stopping condition."""
    store, sagemaker = model(server, "advanced"), server.client("sagemaker")
    package = sagemaker.create_model_package(
        ModelPackageName="advanced",
        Domain="MACHINE_LEARNING",
        Task="REGRESSION",
        SamplePayloadUrl=f"s3://{store}/payload.tar.gz",
        InferenceSpecification={
            "Containers": [{"Image": XGBOOST, "ModelDataUrl": f"s3://{store}/model.tar.gz"}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
            "SupportedRealtimeInferenceInstanceTypes": ["ml.m5.large"],
        },
    )["ModelPackageArn"]
    serve_xgboost(server, "compared")
    ranges = {"CategoricalParameterRanges": [{"Name": "OMP_NUM_THREADS", "Value": ["1", "2"]}]}
    sagemaker.create_inference_recommendations_job(
        JobName="advanced",
        JobType="Advanced",
        RoleArn=ROLE,
        InputConfig={
            "ModelPackageVersionArn": package,
            "Endpoints": [{"EndpointName": "compared"}],
            "EndpointConfigurations": [
                {"InstanceType": "ml.m5.large", "EnvironmentParameterRanges": ranges},
                {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 5}},
            ],
            "ResourceLimit": {"MaxNumberOfTests": 4, "MaxParallelOfTests": 2},
            "TrafficPattern": {
                "TrafficType": "STAIRS",
                "Stairs": {"DurationInSeconds": 2, "NumberOfSteps": 2, "UsersPerStep": 1},
            },
        },
        StoppingConditions={
            "MaxInvocations": 10_000_000,
            "ModelLatencyThresholds": [{"Percentile": "P95", "ValueInMilliseconds": 500}],
            "FlatInvocations": "Continue",
        },
    )
    job = ended(server, "advanced")
    assert job["Status"] == "COMPLETED", job
    found = {str(sorted(entry["EndpointConfiguration"])): entry for entry in job["InferenceRecommendations"]}
    assert len(job["InferenceRecommendations"]) == 3
    serverless = found["['EndpointName', 'ServerlessConfig', 'VariantName']"]
    assert "CostPerHour" not in serverless["Metrics"]
    assert serverless["Metrics"]["CostPerInference"] > 0
    lasted = (serverless["InvocationEndTime"] - serverless["InvocationStartTime"]).total_seconds()
    assert 3.5 < lasted < 8
    assert job["EndpointPerformances"][0]["Metrics"]["MaxInvocations"] > 600
    assert sagemaker.describe_endpoint(EndpointName="compared")["EndpointStatus"] == "InService"
    nothing_is_left(server)


@pytest.mark.slow
def test_a_payload_that_the_model_cannot_read(server: Server) -> None:
    store = model(server, "broken")
    server.client("s3").put_object(Bucket=store, Key="payload.tar.gz", Body=archive({"one.csv": "not,numbers"}))
    sagemaker = server.client("sagemaker")
    instances = {"EndpointConfigurations": [{"InstanceType": "ml.c5.large"}]}
    sagemaker.create_inference_recommendations_job(**request("broken", store, InputConfig=instances))
    job = ended(server, "broken")
    assert job["Status"] == "FAILED"
    assert job["FailureReason"].startswith("ClientError: The endpoint answered 4"), job["FailureReason"]
    steps = sagemaker.list_inference_recommendations_job_steps(JobName="broken")["Steps"]
    assert [step["Status"] for step in steps] == ["FAILED", "FAILED"]
    server.client("s3").put_object(Bucket=store, Key="payload.tar.gz", Body=b"no archive")
    sagemaker.create_inference_recommendations_job(
        **request("broken", store, InputConfig=instances) | {"JobName": "no-archive"}
    )
    assert "is no tar.gz archive" in ended(server, "no-archive")["FailureReason"]
    nothing_is_left(server)
