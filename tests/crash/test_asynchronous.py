"""kill -9 while asynchronous requests wait and are worked on: each is answered once (feature row K04)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest
from e2e.test_asynchronous import endpoint, queue_of
from support.server import Server, eventually, running_server

SLOW = """
import time
def model_fn(folder): return None
def input_fn(body, content_type): return body if isinstance(body, str) else body.decode()
def predict_fn(text, model):
    time.sleep(0.1)
    return text.upper()
def output_fn(text, accept): return text, "text/plain"
"""
MANY = 30


@pytest.fixture
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.mark.slow
def test_everything_accepted_is_answered_once(server: Server) -> None:
    """Control and front die in the middle; then the whole server."""
    topic, url = queue_of(server, "crash-async")
    held = endpoint(server, "crash-async", SLOW, topic, MaxConcurrentInvocationsPerInstance=2)
    runtime, sqs, s3 = server.client("sagemaker-runtime"), server.client("sqs"), server.client("s3")
    accepted = {}
    for index in range(MANY):
        answer = runtime.invoke_endpoint_async(EndpointName="crash-async", Body=f"m{index}".encode(), ContentType="text/plain")
        accepted[answer["InferenceId"]] = (index, answer["OutputLocation"].removeprefix(f"s3://{held}/"))
        if index == MANY // 3:
            server.kill("control")
            server.wait_until_healthy()
        if index == MANY // 2:
            server.kill("front-1")
            server.wait_until_healthy()
    server.kill_everything()
    server.start()
    heard: Counter[str] = Counter()

    def hear() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", []):
            document = json.loads(message["Body"])
            assert document["invocationStatus"] == "Completed", document
            heard[document["inferenceId"]] += 1
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(heard) == MANY

    eventually(hear, 120, lambda: f"{len(heard)} of {MANY} were told\n{server.logs()}")
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)
    assert heard == Counter(accepted.keys())
    for index, key in accepted.values():
        assert s3.get_object(Bucket=held, Key=key)["Body"].read() == f"M{index}".encode()
    assert len(s3.list_objects_v2(Bucket=held, Prefix="out/")["Contents"]) == MANY
