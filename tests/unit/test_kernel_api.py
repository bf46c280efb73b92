"""The way of a request through the API, and the same way in process."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from harness import CALLER, IMAGE, ROLE, WORLD, Harness

from sagewright.kernel.operation import Caller, Context
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response

MODEL = {"ModelName": "m", "PrimaryContainer": {"Image": IMAGE}, "ExecutionRoleArn": ROLE}


@pytest.fixture
def harness() -> Iterator[Harness]:
    with Harness() as started:
        yield started


def send(harness: Harness, operation: str, body: bytes) -> Response:
    headers = {"x-amz-target": f"SageMaker.{operation}", "content-type": "application/x-amz-json-1.1"}
    return harness.run(harness.parts.api.handle(CALLER, "sagemaker", Request("POST", "/", "", headers, body)))


def error(response: Response) -> str:
    return str(json.loads(response.body)["__type"])


def test_what_is_not_an_operation(harness: Harness) -> None:
    response = send(harness, "MakeCoffee", b"{}")
    assert (response.status, error(response)) == (400, "UnknownOperationException")


def test_what_is_not_there_yet(harness: Harness) -> None:
    """Never a success: docs/coverage.md lists it as absent."""
    response = send(harness, "ListStageDevices", b'{"EdgeDeploymentPlanName": "x", "StageName": "y"}')
    assert (response.status, error(response)) == (400, "UnsupportedOperationException")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"ModelName": 1}', b'{"ModelName": "' + b"x" * 100_000 + b'"}']
)
def test_what_is_not_a_request(harness: Harness, body: bytes) -> None:
    assert send(harness, "DescribeModel", body).status == 400


def test_a_bug_is_logged_and_answered(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    """The caller gets an answer with the request's id; the log has the story, and nothing of the request."""

    async def broken(context: Context, request: dict[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError

    harness.parts.operations.write("sagemaker", "DescribeModel", broken)
    with caplog.at_level(logging.ERROR):
        response = send(harness, "DescribeModel", b'{"ModelName": "secret-name"}')
    headers = {name.lower(): value for name, value in response.headers}
    assert (response.status, error(response)) == (500, "InternalFailure")
    assert headers["x-amzn-requestid"] in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "secret-name" not in caplog.text


def test_written_by_hand_wins_and_only_once(harness: Harness) -> None:
    async def own(context: Context, request: dict[str, Any]) -> dict[str, Any]:
        return {
            "ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/own",
            "ModelName": "own",
            "CreationTime": context.now,
        }

    harness.parts.operations.write("sagemaker", "DescribeModel", own)
    assert harness.client("sagemaker").describe_model(ModelName="m")["ModelName"] == "own"
    with pytest.raises(ValueError, match="has a handler already"):
        harness.parts.operations.write("sagemaker", "DescribeModel", own)


def call(harness: Harness, operation: str, request: dict[str, Any], caller: Caller = CALLER) -> dict[str, Any]:
    return harness.run(harness.parts.client.call(caller, "sagemaker", operation, request))


def test_in_process_is_the_same_api(harness: Harness) -> None:
    """Same validation, same faults, same rows as over the wire."""
    call(harness, "CreateModel", MODEL)
    assert harness.client("sagemaker").describe_model(ModelName="m")["ExecutionRoleArn"] == ROLE
    with pytest.raises(Fault, match="Cannot create already existing model"):
        call(harness, "CreateModel", MODEL)
    with pytest.raises(Fault) as fault:
        call(harness, "CreateModel", {"ModelName": "in valid"})
    assert fault.value.code == "ValidationException"
    with pytest.raises(Fault, match="Could not find model"):
        call(harness, "DescribeModel", {"ModelName": "m"}, Caller(WORLD._replace(region="eu-west-1"), CALLER.arn, ""))


def test_documents_are_nobodys_to_share(harness: Harness) -> None:
    """Neither the request that was given nor the answer that was taken leads into what is kept."""
    request = json.loads(json.dumps(MODEL))
    call(harness, "CreateModel", request)
    request["PrimaryContainer"]["Image"] = "changed"
    call(harness, "DescribeModel", {"ModelName": "m"})["PrimaryContainer"]["Image"] = "changed"
    assert call(harness, "DescribeModel", {"ModelName": "m"})["PrimaryContainer"]["Image"] == IMAGE


def test_rows_for_features(harness: Harness) -> None:
    call(harness, "CreateModel", MODEL)
    row = harness.run(harness.parts.engine.get(WORLD, "Model", "m"))
    assert row is not None
    assert row.spec["ExecutionRoleArn"] == ROLE
    assert harness.run(harness.parts.engine.get(WORLD, "Model", "nobody")) is None
