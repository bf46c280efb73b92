"""Serverless endpoints by boto3 against a real server (feature row K03; developer guide, serverless-endpoints)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions
import pytest
from support.jobs import archive, bucket, processes, wait_for_endpoint
from support.server import ROLE, SKLEARN, Server, eventually, running_server

from sagewright.compute.records import alive

WORKS = """
import time
def model_fn(folder): return None
def input_fn(body, content_type): return float(body)
def predict_fn(seconds, model):
    time.sleep(seconds)
    return seconds
def output_fn(seconds, accept): return str(seconds), "text/plain"
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server(serverless_idle=1.5) as started:
        yield started


def test_a_serverless_endpoint(server: Server) -> None:
    """No process when nobody calls; a call wakes it, also after control was killed; beyond MaxConcurrency AWS's error."""
    sagemaker, held = server.client("sagemaker"), bucket(server, "e2e-serverless")
    server.client("s3").put_object(Bucket=held, Key="model.tar.gz", Body=archive({"code/inference.py": WORKS}))
    environment = {"SAGEMAKER_PROGRAM": "inference.py"}
    container = {"Image": SKLEARN, "ModelDataUrl": f"s3://{held}/model.tar.gz", "Environment": environment}
    sagemaker.create_model(ModelName="s", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    size = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    variant = {"VariantName": "v", "ModelName": "s", "ServerlessConfig": size}
    sagemaker.create_endpoint_config(EndpointConfigName="s", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="s", EndpointConfigName="s")
    found = wait_for_endpoint(sagemaker, "s")
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    assert found["ProductionVariants"][0]["CurrentServerlessConfig"] == size

    def asleep() -> bool:
        return not [process for process in processes(server, "s/*", "endpoint") if alive(process)]

    def called(seconds: float) -> str:
        runtime = server.client("sagemaker-runtime")
        try:
            answer = runtime.invoke_endpoint(EndpointName="s", Body=str(seconds).encode(), ContentType="text/plain")
            return str(answer["Body"].read().decode())
        except botocore.exceptions.ClientError as refused:
            return str(refused.response["Error"]["Code"])

    eventually(asleep, 30)
    server.kill("control")
    assert called(0) == "0.0"
    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(called, [2.0] * 4))
    assert answers == ["2.0", "2.0", "ThrottlingException", "ThrottlingException"]
    eventually(asleep, 30)
