"""Every built-in algorithm through the public API: data in S3, a job, its metrics, an endpoint, every format (H01 to H20).

Small data (tests/support/cases); the pass marks of quality are in tests/fidelity.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.cases import Case, load, names
from support.jobs import bucket, training_job, wait_for_endpoint, wait_for_job
from support.server import ROLE, Server

from sagewright_algorithms.manifest import load as load_manifest

REGISTRY = "382416733822.dkr.ecr.us-east-1.amazonaws.com"
OWN_IMAGE = [name for name in names() if not load(name).model_id]


@pytest.fixture(scope="module")
def data(server: Server) -> str:
    return bucket(server, "built-in-algorithms")


@pytest.mark.parametrize("name", OWN_IMAGE)
def test_train_deploy_and_predict(server: Server, data: str, name: str) -> None:
    case = load(name)
    described = trained(server, data, case)
    manifest = load_manifest(case.algorithm)
    metrics = {metric["MetricName"]: metric["Value"] for metric in described.get("FinalMetricDataList", ())}
    assert set(case.metrics) <= set(metrics)
    definitions = {item["Name"]: item["Regex"] for item in described["AlgorithmSpecification"]["MetricDefinitions"]}
    assert definitions == {metric.name: metric.regex for metric in manifest.metrics}
    endpoint, runtime = deployed(server, described, case), server.client("sagemaker-runtime")

    def invoke(content_type: str, body: bytes, accept: str) -> bytes:
        given = {"Accept": accept} if accept else {}
        answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType=content_type, Body=body, **given)
        return bytes(answer["Body"].read())

    for content_type, body in case.requests.items():
        assert invoke(content_type, body, "")
    case.check(invoke)
    server.client("sagemaker").delete_endpoint(EndpointName=endpoint)


def trained(server: Server, data: str, case: Case) -> dict[str, Any]:
    """The description of the case's job, Completed."""
    sagemaker, name = server.client("sagemaker"), f"case-{case.algorithm}"
    sagemaker.create_training_job(
        **training_job(
            name,
            data,
            AlgorithmSpecification={"TrainingImage": image(case), "TrainingInputMode": "File"},
            HyperParameters=dict(case.hyperparameters),
            InputDataConfig=uploaded(server, data, case),
        )
    )
    described = wait_for_job(sagemaker, name)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    return described


def uploaded(server: Server, data: str, case: Case) -> list[dict[str, Any]]:
    """InputDataConfig of the case's channels, which are in S3 now."""
    s3, channels = server.client("s3"), []
    for name, channel in case.channels.items():
        prefix = f"{case.algorithm}/{name}/"
        for path, content in channel.files.items():
            s3.put_object(Bucket=data, Key=prefix + path, Body=content)
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": f"s3://{data}/{prefix}",
            "S3DataDistributionType": channel.distribution,
        }
        channels.append({"ChannelName": name, "ContentType": channel.content_type, "DataSource": {"S3DataSource": source}})
    return channels


def image(case: Case) -> str:
    """The URI that the SDK would have found."""
    manifest = load_manifest(case.algorithm)
    return f"{REGISTRY}/{manifest.repositories[0]}:{manifest.versions[0]}"


def deployed(server: Server, described: dict[str, Any], case: Case) -> str:
    """An endpoint of the job's image and artifact, named like the job."""
    sagemaker, name = server.client("sagemaker"), described["TrainingJobName"]
    container = {
        "Image": described["AlgorithmSpecification"]["TrainingImage"],
        "ModelDataUrl": described["ModelArtifacts"]["S3ModelArtifacts"],
        "Environment": dict(case.environment),
    }
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    endpoint = wait_for_endpoint(sagemaker, name)
    assert endpoint["EndpointStatus"] == "InService", endpoint.get("FailureReason")
    return str(name)


def test_names_of_cases_are_names_of_packages() -> None:
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in names())
    assert all(load(name).algorithm.replace("-", "_") == name for name in names())
