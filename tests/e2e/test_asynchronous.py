"""Asynchronous endpoints by boto3 against a real server (feature row K04; developer guide, async-inference)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, SKLEARN, Server, eventually

HOLDS = """
import hashlib
def model_fn(folder): return None
def input_fn(body, content_type): return body if isinstance(body, bytes) else body.encode()
def predict_fn(body, model):
    if body == b"wrong": raise ValueError("that is wrong")
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}"
def output_fn(text, accept): return text, "text/plain"
"""


def queue_of(server: Server, name: str) -> tuple[str, str]:
    """A topic, and the URL of a queue that hears of it."""
    sqs, sns = server.client("sqs"), server.client("sns")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name=name)["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    return topic, url


def told(server: Server, url: str, seconds: float = 60) -> dict[str, Any]:
    sqs = server.client("sqs")
    found: list[Any] = eventually(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages"), seconds)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=found[0]["ReceiptHandle"])
    document: dict[str, Any] = json.loads(found[0]["Body"])
    return document


def endpoint(server: Server, name: str, script: str, topic: str, **client: int) -> str:
    """An asynchronous endpoint in service; returns its bucket."""
    sagemaker, held = server.client("sagemaker"), bucket(server, name)
    server.client("s3").put_object(Bucket=held, Key="model.tar.gz", Body=archive({"code/inference.py": script}))
    container = {
        "Image": SKLEARN,
        "ModelDataUrl": f"s3://{held}/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
    }
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    output = {
        "S3OutputPath": f"s3://{held}/out",
        "S3FailurePath": f"s3://{held}/bad",
        "NotificationConfig": {"SuccessTopic": topic, "ErrorTopic": topic},
    }
    variant = {"VariantName": "v", "ModelName": name, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[variant],
        AsyncInferenceConfig={"OutputConfig": output, "ClientConfig": client},
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    found = wait_for_endpoint(sagemaker, name)
    assert found["EndpointStatus"] == "InService", found.get("FailureReason")
    return held


def scale(server: Server, name: str, count: int) -> None:
    sagemaker = server.client("sagemaker")
    wish = [{"VariantName": "v", "DesiredInstanceCount": count}]
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=wish)
    assert wait_for_endpoint(sagemaker, name)["ProductionVariants"][0]["CurrentInstanceCount"] == count


def test_an_asynchronous_endpoint(server: Server) -> None:
    """Accepted, answered in S3, told; a payload that no real-time endpoint takes; failures; zero instances and back."""
    topic, url = queue_of(server, "e2e-async")
    held = endpoint(server, "e2e-async", HOLDS, topic, MaxConcurrentInvocationsPerInstance=2)
    runtime, s3 = server.client("sagemaker-runtime"), server.client("s3")
    body = bytes(range(256)) * (64 * 1024)
    s3.put_object(Bucket=held, Key="in", Body=body, ContentType="application/octet-stream")
    answer = runtime.invoke_endpoint_async(EndpointName="e2e-async", InputLocation=f"s3://{held}/in")
    found = told(server, url)
    assert found["invocationStatus"] == "Completed", found
    assert found["responseParameters"] == {"contentType": "text/plain", "outputLocation": answer["OutputLocation"]}
    written = s3.get_object(Bucket=held, Key=answer["OutputLocation"].removeprefix(f"s3://{held}/"))
    assert written["Body"].read().startswith(f"{len(body)} ".encode())
    assert written["ContentType"] == "text/plain"

    wrong = runtime.invoke_endpoint_async(EndpointName="e2e-async", Body=b"wrong", ContentType="application/octet-stream")
    found = told(server, url)
    assert (found["invocationStatus"], found["inferenceId"]) == ("Failed", wrong["InferenceId"])
    assert "error (" in found["failureReason"]
    s3.head_object(Bucket=held, Key=wrong["FailureLocation"].removeprefix(f"s3://{held}/"))

    with pytest.raises(botocore.exceptions.ClientError, match="InvokeEndpointAsync"):
        runtime.invoke_endpoint(EndpointName="e2e-async", Body=b"x")

    scale(server, "e2e-async", 0)
    waiting = runtime.invoke_endpoint_async(EndpointName="e2e-async", Body=b"later", ContentType="application/octet-stream")
    scale(server, "e2e-async", 1)
    assert told(server, url)["inferenceId"] == waiting["InferenceId"]
    server.client("sagemaker").delete_endpoint(EndpointName="e2e-async")


LARGE = 1024**3
ECHOES = """
def model_fn(folder): return None
def input_fn(body, content_type): return body
def predict_fn(body, model): return body
def output_fn(body, accept): return body, "application/octet-stream"
"""


@pytest.mark.slow
def test_a_large_payload_is_never_in_memory(server: Server, tmp_path: Path) -> None:
    """K04: payloads of up to 1 GB, and answers of that size; what control and the front hold at most does not grow with them."""
    topic, url = queue_of(server, "e2e-large")
    held = endpoint(server, "e2e-large", ECHOES, topic)
    runtime, s3 = server.client("sagemaker-runtime"), server.client("s3")
    payload = tmp_path / "payload"
    with payload.open("wb") as file:
        file.truncate(LARGE)
        file.seek(LARGE - 3)
        file.write(b"end")
    s3.upload_file(str(payload), held, "in", ExtraArgs={"ContentType": "application/octet-stream"})
    before = peak(server, "control"), peak(server, "front-1")
    answer = runtime.invoke_endpoint_async(
        EndpointName="e2e-large", InputLocation=f"s3://{held}/in", InvocationTimeoutSeconds=3600
    )
    found = told(server, url, 600)
    assert found["invocationStatus"] == "Completed", found
    assert peak(server, "control") - before[0] < 96 * 1024 * 1024
    assert peak(server, "front-1") - before[1] < 32 * 1024 * 1024
    written = s3.get_object(Bucket=held, Key=answer["OutputLocation"].removeprefix(f"s3://{held}/"), Range="bytes=-5")
    assert (written["Body"].read(), written["ContentRange"]) == (b"\0\0end", f"bytes {LARGE - 5}-{LARGE - 1}/{LARGE}")

    with payload.open("ab") as file:
        file.write(b"!")
    s3.upload_file(str(payload), held, "in")
    runtime.invoke_endpoint_async(EndpointName="e2e-large", InputLocation=f"s3://{held}/in")
    assert f"{LARGE + 1} bytes" in told(server, url, 60)["failureReason"]
    server.client("sagemaker").delete_endpoint(EndpointName="e2e-large")


def peak(server: Server, part: str) -> int:
    """Bytes that a process of the server has had in memory at most."""
    status = Path(f"/proc/{server.pid(part)}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
