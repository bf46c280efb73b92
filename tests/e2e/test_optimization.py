"""Optimization jobs by boto3 against a real server: a language model becomes smaller, and the image that Describe names serves it (L01)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.jobs import archive, bucket, log_lines, wait, wait_for_endpoint
from support.optimization import SHARDS, optimization_job
from support.server import ROLE, Server
from support.text_models import ALPHABET, alphabet, files

STATES = {"COMPLETED", "FAILED", "STOPPED"}


@pytest.fixture(scope="module")
def model(server: Server) -> str:
    """Its files below a prefix, and an archive of them."""
    store, s3 = bucket(server, "optimization"), server.client("s3")
    found = files(alphabet())
    for name, content in found.items():
        s3.put_object(Bucket=store, Key=f"files/{name}", Body=content)
    s3.put_object(Bucket=store, Key="model.tar.gz", Body=archive(dict(found)))
    s3.put_object(Bucket=store, Key="other/readme.txt", Body=b"no model")
    return store


def asked(server: Server, store: str, name: str, source: str, **changes: Any) -> dict[str, Any]:
    sagemaker = server.client("sagemaker")
    where = {
        "ModelSource": {"S3": {"S3Uri": f"s3://{store}/{source}"}},
        "OutputConfig": {"S3OutputLocation": f"s3://{store}/{name}/"},
    }
    limit = {"StoppingCondition": {"MaxRuntimeInSeconds": 300}}
    sagemaker.create_optimization_job(**optimization_job(name, **{**where, **limit, **changes}))
    return wait(lambda: sagemaker.describe_optimization_job(OptimizationJobName=name), "OptimizationJobStatus", STATES, 120)


def sizes(server: Server, store: str, prefix: str) -> dict[str, int]:
    found = server.client("s3").list_objects_v2(Bucket=store, Prefix=prefix)["Contents"]
    return {item["Key"].removeprefix(prefix): item["Size"] for item in found}


def served(server: Server, name: str, image: str, source: str) -> str:
    """What the optimized model makes of the alphabet's beginning."""
    sagemaker = server.client("sagemaker")
    data = {"S3Uri": source, "S3DataType": "S3Prefix", "CompressionType": "None"}
    container = {"Image": image, "ModelDataSource": {"S3DataSource": data}, "Environment": {"OPTION_QUANTIZE": "int8"}}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.g5.2xlarge"}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    described = wait_for_endpoint(sagemaker, name)
    assert described["EndpointStatus"] == "InService", described
    body = json.dumps({"inputs": "abc", "parameters": {"max_new_tokens": 40}})
    runtime = server.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=name, ContentType="application/json", Body=body)["Body"].read()
    return str(json.loads(answer)["generated_text"])


def test_a_quantized_model_is_smaller_and_is_served(server: Server, model: str) -> None:
    job = asked(server, model, "quantized", "files")
    assert job["OptimizationJobStatus"] == "COMPLETED", job
    before, after = sizes(server, model, "files/"), sizes(server, model, "quantized/")
    assert after["model.safetensors"] < 0.7 * before["model.safetensors"]
    assert after.keys() == before.keys()
    assert job["OptimizationStartTime"] <= job["OptimizationEndTime"]
    lines = log_lines(server, "/aws/sagemaker/OptimizationJobs", "quantized/")
    assert any("Quantized 14 of 15 linear layers to 8 bits" in line for line in lines)
    image = job["OptimizationOutput"]["RecommendedInferenceImage"]
    assert served(server, "quantized", image, f"s3://{model}/quantized/") == ALPHABET[3:]
    told = log_lines(server, "/aws/sagemaker/Endpoints/quantized", "AllTraffic/")
    assert not any("not quantized" in line for line in told)


def test_what_is_no_language_model_fails_with_its_reason(server: Server, model: str) -> None:
    job = asked(server, model, "no-model", "other")
    assert job["OptimizationJobStatus"] == "FAILED"
    assert job["FailureReason"].startswith("ClientError: InputConfiguration: the model has no config.json")


@pytest.mark.slow
def test_shards_of_an_archive_are_served(server: Server, model: str) -> None:
    job = asked(server, model, "shards", "model.tar.gz", OptimizationConfigs=[SHARDS])
    assert job["OptimizationJobStatus"] == "COMPLETED", job
    assert len([name for name in sizes(server, model, "shards/") if name.endswith(".safetensors")]) >= 3
    image = job["OptimizationOutput"]["RecommendedInferenceImage"]
    assert served(server, "shards", image, f"s3://{model}/shards/") == ALPHABET[3:]
