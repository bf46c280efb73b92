"""Who may call, over HTTP: what is not properly signed is refused in AWS's words, whichever service it names."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Iterator
from urllib.error import HTTPError

import botocore.exceptions
import pytest
from botocore.config import Config
from support.jobs import bucket
from support.raw import Answer, Call, Wire
from support.server import ROLE, Server, running_server

from sagewright.wire.credentials import Keyring

LIST = Call("SageMaker.ListModels")
FORM = {"content-type": "application/x-www-form-urlencoded"}
WHOAMI = Call(body=b"Action=GetCallerIdentity&Version=2011-06-15", service="sts", headers=FORM)
WRONG_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def wire(server: Server) -> Iterator[Wire]:
    connection = Wire(server)
    yield connection
    connection.close()


def code(answer: Answer) -> str:
    if answer.text.startswith("{"):
        return str(json.loads(answer.text).get("__type", "")).rpartition("#")[2]
    return answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_a_good_signature_is_accepted_on_every_protocol(wire: Wire) -> None:
    assert wire.call(LIST).status == 200
    assert "123456789012" in wire.call(WHOAMI).text
    assert wire.call(Call(service="s3", method="GET", body=b"")).status == 200


@pytest.mark.parametrize(
    ("call", "unknown", "mismatch"),
    [
        (LIST, "UnrecognizedClientException", "InvalidSignatureException"),
        (WHOAMI, "InvalidClientTokenId", "SignatureDoesNotMatch"),
        (Call(service="s3", method="GET", body=b""), "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    ],
    ids=["json", "query", "s3"],
)
def test_unknown_keys_and_bad_signatures(wire: Wire, call: Call, unknown: str, mismatch: str) -> None:
    access_key, secret = wire.keys
    answer = wire.call(call, ("AKIAIOSFODNN7EXAMPLE", secret))
    assert (answer.status, code(answer)) == (403 if call is not LIST else answer.status, unknown)
    answer = wire.call(call, (access_key, WRONG_SECRET))
    assert code(answer) == mismatch
    assert answer.status in (400, 403)
    assert secret not in answer.text


def test_a_tampered_request(wire: Wire) -> None:
    headers = LIST.signed(f"{wire.host}:{wire.port}", *wire.keys)
    assert code(wire.send(LIST, headers, b'{"MaxResults": 5}')) == "InvalidSignatureException"
    other = {**headers, "x-amz-target": "SageMaker.ListEndpoints"}
    assert code(wire.send(LIST, other)) == "InvalidSignatureException"
    assert code(wire.send(Call("SageMaker.ListModels", query="x=1"), headers)) == "InvalidSignatureException"
    put = Call(service="s3", method="PUT", path="/tampered/key", body=b"signed")
    bucket_call = Call(service="s3", method="PUT", path="/tampered", body=b"")
    assert wire.call(bucket_call).status == 200
    refused = wire.send(put, put.signed(f"{wire.host}:{wire.port}", *wire.keys), b"forged")
    assert (refused.status, code(refused)) == (400, "XAmzContentSHA256Mismatch")
    assert wire.call(Call(service="s3", method="GET", path="/tampered/key", body=b"")).status == 404


@pytest.mark.parametrize("age", [901.0, 86_400.0 * 3, -901.0, -86_400.0])
@pytest.mark.parametrize("call", [LIST, WHOAMI, Call(service="s3", method="GET", body=b"")], ids=["json", "query", "s3"])
def test_a_request_of_another_time(wire: Wire, call: Call, age: float) -> None:
    answer = wire.call(Call(**{**vars(call), "age": age}))
    assert answer.status in (400, 403)
    assert code(answer) in ("InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "RequestExpired")


@pytest.mark.parametrize("age", [200.0, -200.0])
def test_a_clock_that_is_a_little_off(wire: Wire, age: float) -> None:
    """SigV4: five minutes either way."""
    assert wire.call(Call("SageMaker.ListModels", age=age)).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"authorization": ""},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "AWS4-HMAC-SHA256 Credential=AKIA, SignedHeaders=host, Signature=x"},
        {"authorization": "AWS4-HMAC-SHA256 Credential=A/2/us-east-1/sagemaker/aws4_request, SignedHeaders=, Signature="},
        {"x-amz-date": "yesterday"},
        {"x-amz-date": ""},
    ],
    ids=str,
)
def test_what_is_hardly_a_signature(wire: Wire, changes: dict[str, str]) -> None:
    headers = {**LIST.signed(f"{wire.host}:{wire.port}", *wire.keys), **changes}
    answer = wire.send(LIST, {name: value for name, value in headers.items() if value})
    assert answer.status in (400, 403)
    assert code(answer) in (
        "MissingAuthenticationTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    )


@pytest.mark.parametrize(
    "changes",
    [{"service": "sqs"}, {"service": "s3"}, {"region": ""}, {"region": "../x"}, {"terminator": "aws4_other"}],
    ids=str,
)
def test_another_scope_than_the_requests(wire: Wire, changes: dict[str, str]) -> None:
    answer = wire.call(Call("SageMaker.ListModels", **changes))
    assert 400 <= answer.status < 500
    assert b"Models" not in answer.body


def test_the_scope_decides_the_region(server: Server, wire: Wire) -> None:
    server.client("sagemaker", region_name="eu-west-1").create_model(ModelName="european", ExecutionRoleArn=ROLE)
    assert b"european" in wire.call(Call("SageMaker.ListModels", region="eu-west-1")).body
    assert b"european" not in wire.call(LIST).body


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_presigned_url_lives_as_long_as_it_says(server: Server, version: str) -> None:
    s3 = server.client("s3")
    store = bucket(server, f"presigned-{version}")
    s3.put_object(Bucket=store, Key="k", Body=b"content")
    signer = server.client("s3", config=Config(signature_version=version, proxies={}))
    url = signer.generate_presigned_url("get_object", Params={"Bucket": store, "Key": "k"}, ExpiresIn=1)
    assert _get(url) == (200, b"content")
    assert _get(url.replace("/k?", "/other?"))[0] == 403
    assert _get(re.sub(r"Expires=(\d+)", r"Expires=\g<1>9", url))[0] == 403
    deadline = time.monotonic() + 10
    while (found := _get(url))[0] == 200 and time.monotonic() < deadline:
        time.sleep(0.1)  # the server's clock is the real one
    assert found[0] == 403
    assert b"AccessDenied" in found[1]
    assert b"Request has expired" in found[1]


class TestTemporaryKeys:
    def test_assume_role(self, server: Server) -> None:
        keys = server.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="me")["Credentials"]
        session = {
            "aws_access_key_id": keys["AccessKeyId"],
            "aws_secret_access_key": keys["SecretAccessKey"],
            "aws_session_token": keys["SessionToken"],
        }
        arn = server.client("sts", **session).get_caller_identity()["Arn"]
        assert arn == "arn:aws:sts::123456789012:assumed-role/SagewrightExecutionRole/me"
        assert "Models" in server.client("sagemaker", **session).list_models()
        assert "Buckets" in server.client("s3", **session).list_buckets()

    def test_of_another_account_see_that_accounts_world_only(self, server: Server) -> None:
        server.client("sagemaker").create_model(ModelName="ours", ExecutionRoleArn=ROLE)
        role = "arn:aws:iam::999999999999:role/Other"
        keys = server.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
        other = server.client(
            "sagemaker",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        assert other.list_models()["Models"] == []
        with pytest.raises(botocore.exceptions.ClientError, match="Could not find model"):
            other.describe_model(ModelName="ours")

    def test_token_and_key_belong_together(self, server: Server, wire: Wire) -> None:
        sts = server.client("sts")
        first, second = (sts.assume_role(RoleArn=ROLE, RoleSessionName=name)["Credentials"] for name in ("one", "two"))
        own = (first["AccessKeyId"], first["SecretAccessKey"])
        assert wire.call(Call("SageMaker.ListModels", token=first["SessionToken"]), own).status == 200
        for token in ("", second["SessionToken"], first["SessionToken"][:-2], "x", "x.y", first["SessionToken"] + "A"):
            answer = wire.call(Call("SageMaker.ListModels", token=token), own)
            assert (answer.status, code(answer)) in ((403, "UnrecognizedClientException"), (400, "UnrecognizedClientException"))

    def test_an_expired_token(self, server: Server, wire: Wire) -> None:
        keyring = Keyring.open(server.settings.credentials)
        keys = keyring.mint("123456789012", ROLE, "short", 900.0, time.time() - 901)
        answer = wire.call(Call("SageMaker.ListModels", token=keys.token), (keys.access_key, keys.secret))
        assert code(answer) == "ExpiredTokenException"
        answer = wire.call(Call(service="s3", method="GET", body=b"", token=keys.token), (keys.access_key, keys.secret))
        assert (answer.status, code(answer)) == (400, "ExpiredToken")

    def test_a_forged_token(self, server: Server, wire: Wire) -> None:
        """Signed with another server's master secret."""
        other = Keyring("123456789012", "us-east-1", "AKIA", "secret", "another master")
        keys = other.mint("123456789012", ROLE, "forged", 3600.0, time.time())
        answer = wire.call(Call("SageMaker.ListModels", token=keys.token), (keys.access_key, keys.secret))
        assert code(answer) == "UnrecognizedClientException"


def test_open_access_takes_any_key_but_not_none() -> None:
    with running_server(auth="open", prewarm="") as server:
        wire = Wire(server)
        try:
            assert wire.call(LIST, ("AKIAANYTHING", "anything")).status == 200
            assert "<Account>111122223333</Account>" in wire.call(WHOAMI, ("111122223333", "x")).text
            assert wire.call(Call(service="s3", method="GET", body=b""), ("test", "test")).status == 200
            assert code(wire.send(LIST, {"host": "x", "x-amz-target": LIST.target})) == "MissingAuthenticationTokenException"
        finally:
            wire.close()


def _get(url: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=20) as answer:
            return answer.status, answer.read()
    except HTTPError as refused:
        with refused:
            return refused.code, refused.read()
