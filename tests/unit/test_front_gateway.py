"""The way of a request through the front: signature, then inference, S3 or control; with stubs behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.front import FrontRig, settings_in, short_folder

from sagewright.settings import Settings


@contextlib.contextmanager
def running(**overrides: Any) -> Iterator[FrontRig]:
    with short_folder() as folder, FrontRig(settings_in(folder, **overrides)) as rig:
        yield rig


@pytest.fixture(scope="module")
def rig() -> Iterator[FrontRig]:
    with running() as started:
        yield started


def plain(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """Unsigned, by a client that knows no AWS."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}), timeout=10) as answer:
            return answer.status, lowered(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, lowered(error.headers), error.read()


def lowered(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def refusal(call: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], caught.value.response["Error"]["Code"]


def test_api_calls_reach_control(rig: FrontRig) -> None:
    """With the caller the signature proves, without the signature."""
    with contextlib.closing(rig.client("sagemaker", region_name="eu-west-1")) as sagemaker:
        answer = sagemaker.list_models()
    assert answer["ResponseMetadata"]["RequestId"] == "from-control"
    header, body = rig.control.asked[-1]
    assert header["op"] == "api"
    assert (header["method"], header["path"], json.loads(body)) == ("POST", "/", {})
    assert header["headers"]["x-amz-target"] == "SageMaker.ListModels"
    assert "authorization" not in header["headers"]
    assert header["caller"] == {
        "account": "123456789012",
        "region": "eu-west-1",
        "service": "sagemaker",
        "access_key": rig.keyring.access_key,
        "arn": "arn:aws:sts::123456789012:assumed-role/SagewrightUser/local",
    }


def test_invocations_reach_inference(rig: FrontRig) -> None:
    with contextlib.closing(rig.client("sagemaker-runtime")) as runtime:
        answer = runtime.invoke_endpoint(EndpointName="e", Body=b"x" * 6_291_456)
        assert answer["Body"].read() == b"123456789012 /endpoints/e/invocations 6291456"
        assert answer["ResponseMetadata"]["RequestId"]


def test_a_large_body_is_part_of_what_is_signed(rig: FrontRig) -> None:
    """SigV4: the payload's hash. A byte that changes on the way is seen in six megabytes as in six bytes."""

    def changed(request: Any, **_: Any) -> None:
        request.body = request.body[:-1] + b"y"

    with contextlib.closing(rig.client("sagemaker-runtime")) as runtime:
        runtime.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", changed)
        for size in (6, 6_291_456):
            refused = refusal(lambda size=size: runtime.invoke_endpoint(EndpointName="e", Body=b"x" * size))  # type: ignore[misc]
            assert refused == (403, "InvalidSignatureException")


def test_invocation_that_is_too_large(rig: FrontRig) -> None:
    """25 MiB are allowed (DG:realtime-endpoints); the client gets a modelled error although it is still sending."""
    with contextlib.closing(rig.client("sagemaker-runtime")) as runtime:
        assert refusal(lambda: runtime.invoke_endpoint(EndpointName="e", Body=b"x" * (25 * 1024 * 1024 + 1))) == (
            413,
            "ValidationError",
        )
        assert refusal(lambda: runtime.invoke_endpoint(EndpointName="e", Body=b"x" * 30_000_000)) == (413, "ValidationError")


def test_refused_signatures(rig: FrontRig) -> None:
    """In the form of the service that was called, with a request id, and nothing of it reaches control."""
    asked = len(rig.control.asked)
    with contextlib.closing(rig.client("sagemaker", secret_key="wrong")) as client:
        assert refusal(client.list_models) == (400, "InvalidSignatureException")
    with contextlib.closing(rig.client("sts", secret_key="wrong")) as client:
        assert refusal(client.get_caller_identity) == (403, "SignatureDoesNotMatch")
    status, headers, body = plain(
        rig.url, b"{}", {"X-Amz-Target": "SageMaker.ListModels", "Content-Type": "application/x-amz-json-1.1"}
    )
    assert (status, json.loads(body)["__type"]) == (400, "MissingAuthenticationTokenException")
    assert headers["x-amzn-requestid"]
    status, _, body = plain(rig.url + "/bucket/key")
    assert (status, b"<Code>AccessDenied</Code>" in body) == (403, True)
    assert len(rig.control.asked) == asked


def test_health(rig: FrontRig) -> None:
    """200 once both control and the object store answer; here is no object store."""
    status, headers, body = plain(rig.url + "/_sagewright/health")
    assert (status, json.loads(body)) == (503, {"control": True, "objects": False})
    assert headers["server"] == "Sagewright"
    assert plain(rig.url + "/_sagewright/none")[0] == 404
    assert plain(rig.url + "/_sagewright/reset", b"")[0] == 404


def test_s3_without_an_object_store(rig: FrontRig) -> None:
    with contextlib.closing(rig.client("s3")) as s3:
        assert refusal(s3.list_buckets) == (503, "ServiceUnavailable")
        assert refusal(lambda: s3.put_object(Bucket="bucket", Key="k", Body=b"x" * 1_000_000)) == (503, "ServiceUnavailable")


def test_ambiguous_scope(rig: FrontRig) -> None:
    """Who says S3 to have a body streamed must be S3."""
    forged = {"Authorization": f"AWS4-HMAC-SHA256 Credential={rig.keyring.access_key}/20260101/us-east-1/sagemaker/aws4_request, "
        "SignedHeaders=host, Signature=00, X=/s3/aws4_request", "X-Amz-Date": "20260101T000000Z"}  # fmt: skip
    assert plain(rig.url, b"{}", forged)[0] in (400, 403)


def test_control_that_restarts() -> None:
    """A question waits while control is away, and a client sees nothing of a short restart."""
    with running() as rig, contextlib.closing(rig.client("sagemaker")) as sagemaker:
        rig.run(rig.control.stop())
        back = threading.Timer(0.3, lambda: rig.run(rig.control.start()))
        back.start()
        assert sagemaker.list_models()["ResponseMetadata"]["HTTPStatusCode"] == 200
        back.join()


def test_control_that_stays_away() -> None:
    with running() as rig, contextlib.closing(rig.client("sagemaker")) as sagemaker:
        rig.run(rig.control.stop())
        assert refusal(sagemaker.list_models) == (503, "ServiceUnavailable")
        assert plain(rig.url + "/_sagewright/health")[0] == 503


async def test_control_that_breaks_off() -> None:
    """What only reads is asked again; what may have been carried out is not."""
    with running() as rig, contextlib.closing(rig.client("sagemaker")) as sagemaker:
        role = "arn:aws:iam::123456789012:role/R"
        for call, expected in (
            (sagemaker.list_models, 200),
            (lambda: sagemaker.create_model(ModelName="m", ExecutionRoleArn=role), 503),
        ):
            rig.control.asked.clear()
            rig.control.delay = 30.0
            asking = asyncio.create_task(asyncio.to_thread(status_of, call))
            async with asyncio.timeout(5):
                while not rig.control.asked:  # noqa: ASYNC110 - the question arrives on another loop
                    await asyncio.sleep(0.005)
            rig.control.delay = 0.0
            await asyncio.to_thread(rig.run, rig.control.restart())
            assert await asking == expected
            assert len(rig.control.asked) == (2 if expected == 200 else 1)


def status_of(call: Any) -> int:
    try:
        return int(call()["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def test_bugs_are_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    with (
        running() as rig,
        contextlib.closing(rig.client("sagemaker-runtime")) as runtime,
        caplog.at_level(logging.CRITICAL + 1),
    ):
        assert refusal(lambda: runtime.invoke_endpoint(EndpointName="bug", Body=b"")) == (500, "InternalFailure")


def test_open_access() -> None:
    """--auth open: any key, a key of twelve digits names its account; only on loopback."""
    with (
        running(auth="open") as rig,
        contextlib.closing(rig.client("sagemaker", access_key="210987654321", secret_key="x")) as client,
    ):
        client.list_models()
        assert rig.control.asked[-1][0]["caller"]["account"] == "210987654321"
    with pytest.raises(ValueError, match="loopback"):
        Settings.from_env({}, host="0.0.0.0", auth="open")


def test_reset_hook() -> None:
    with running(test_hooks=True) as rig:
        assert plain(rig.url + "/_sagewright/reset", b"")[0] == 200
        assert rig.control.asked[-1][0]["op"] == "reset"
