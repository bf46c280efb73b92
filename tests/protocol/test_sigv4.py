"""Signature Version 4 against botocore's signers, and every way to get it wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from protocol.connection import received

from sagewright.base.clock import SystemClock, VirtualClock
from sagewright.wire.credentials import Keyring
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request
from sagewright.wire.sigv4 import Verifier, presign_url, sign

URL = "http://127.0.0.1:9000"
ROLE = "arn:aws:iam::123456789012:role/service/Role"
JSON = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListModels"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Signer:
    """Signs with botocore, at the machine's time (botocore knows no other)."""

    def __init__(self, keyring: Keyring) -> None:
        self.credentials = Credentials(keyring.access_key, keyring.secret)

    def __call__(
        self, service: str = "sagemaker", method: str = "POST", path: str = "/", body: bytes = b"", **headers: str
    ) -> Request:
        request = AWSRequest(method, URL + path, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        kind = S3SigV4Auth if service == "s3" else SigV4Auth
        kind(self.credentials, service, "eu-west-1").add_auth(request)
        return received(request.prepare())


@pytest.fixture
def signer(keyring: Keyring) -> Signer:
    return Signer(keyring)


@pytest.fixture
def verifier(keyring: Keyring) -> Verifier:
    return Verifier(keyring, SystemClock())


def refused(verifier: Verifier, request: Request, body_hash: str | None = None) -> tuple[str, int]:
    with pytest.raises(Fault) as caught:
        verifier.verify(request, body_hash)
    return caught.value.code, caught.value.status


@pytest.mark.parametrize(
    ("service", "method", "path", "headers", "body"),
    [
        ("sagemaker", "POST", "/", JSON, b'{"a": 1}'),
        (
            "sagemaker",
            "POST",
            "/endpoints/my-endpoint/invocations",
            {"X-Amzn-SageMaker-Custom-Attributes": " a   b\tc "},
            b"\x00\xff",
        ),
        (
            "sagemaker",
            "GET",
            "/FeatureGroup/g?FeatureName=b&FeatureName=a&RecordIdentifierValueAsString=a%20b%2F%C3%BC",
            {},
            b"",
        ),
        ("sagemaker", "GET", "/a%20b/%C3%BC//c/./d/../e/?x", {}, b""),
        ("sts", "POST", "/", FORM, b"Action=GetCallerIdentity&Version=2011-06-15"),
        ("monitoring", "POST", "/service/GraniteServiceVersion20100801/operation/ListMetrics", {}, b"\xa0"),
        ("s3", "GET", "/bucket/a%20b/../%C3%BC//c?list-type=2&prefix=a%2Fb", {}, b""),
        ("s3", "PUT", "/bucket/key%2Bplus(1)'", {"x-amz-meta-a": "b", "Content-MD5": "rL0Y20zC+Fzt72VPzMSk2A=="}, b"data"),
    ],
)
def test_botocores_signature_is_accepted(
    verifier: Verifier, signer: Signer, service: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> None:
    request = signer(service, method, path, body, **headers)
    identity = verifier.verify(request)
    assert (identity.service, identity.region) == (service, "eu-west-1")
    assert identity.principal.arn == "arn:aws:sts::123456789012:assumed-role/SagewrightUser/local"
    assert identity.payload_hash == hashlib.sha256(body).hexdigest()
    assert verifier.verify(request, hashlib.sha256(body).hexdigest()) == identity


@pytest.mark.parametrize(
    "spoil",
    [
        lambda request: setattr(request, "body", b"other"),
        lambda request: setattr(request, "path", "/other"),
        lambda request: setattr(request, "query", "a=c"),
        lambda request: setattr(request, "method", "PUT"),
        lambda request: request.headers.update({"host": "127.0.0.1:9001"}),
        lambda request: request.headers.update({"x-amz-target": "SageMaker.DeleteModel"}),
        lambda request: request.headers.pop("x-amz-target"),
        lambda request: request.headers.update({"authorization": request.headers["authorization"][:-1] + "g"}),
        lambda request: request.headers.update(
            {"authorization": request.headers["authorization"].replace("eu-west-1", "us-east-1")}
        ),
    ],
)
def test_what_was_changed_after_signing_is_refused(verifier: Verifier, signer: Signer, spoil: Callable[[Request], Any]) -> None:
    request = signer(path="/?a=b", body=b"body", X_Amz_Target="SageMaker.ListModels")
    verifier.verify(request)
    spoil(request)
    code, _ = refused(verifier, request)
    assert code == "InvalidSignatureException"


def test_header_names_may_be_signed_in_any_blank_form(verifier: Verifier, keyring: Keyring) -> None:
    """Sequential spaces count as one, at either end as none."""
    request = Request("POST", "/", "", {"host": "h:1", "x-amz-meta": "a  b"})
    request.headers = sign(request, keyring.access_key, keyring.secret, "r", "sagemaker") | {"x-amz-meta": "  a \t b "}
    verifier.verify(request)


def test_session_tokens(verifier: Verifier, keyring: Keyring, signer: Signer) -> None:
    keys = keyring.mint("210987654321", ROLE, "me", 900, SystemClock().now())
    signer.credentials = Credentials(keys.access_key, keys.secret, keys.token)
    request = signer(**JSON)
    principal = verifier.verify(request).principal
    assert (principal.account, principal.arn) == ("210987654321", "arn:aws:sts::123456789012:assumed-role/Role/me")
    request.headers["x-amz-security-token"] = keys.token[:-2] + "AA"
    assert refused(verifier, request) == ("UnrecognizedClientException", 400)
    del request.headers["x-amz-security-token"]
    assert refused(verifier, request) == ("UnrecognizedClientException", 400)


def test_expired_session_token(keyring: Keyring) -> None:
    clock = VirtualClock()
    keys = keyring.mint("123456789012", ROLE, "me", 900, clock.now())
    clock.advance(900)
    for service, headers, answer in [
        ("sagemaker", JSON, ("ExpiredTokenException", 400)),
        ("sts", FORM, ("ExpiredToken", 403)),
        ("s3", {}, ("ExpiredToken", 400)),
    ]:
        request = Request("POST", "/", "", {"host": "h"} | {name.lower(): value for name, value in headers.items()})
        request.headers = sign(request, keys.access_key, keys.secret, "r", service, keys.token, clock.now())
        assert refused(Verifier(keyring, clock), request) == answer


@pytest.mark.parametrize(
    ("service", "headers", "missing", "unknown", "mismatch"),
    [
        ("sagemaker", JSON, "MissingAuthenticationTokenException", "UnrecognizedClientException", "InvalidSignatureException"),
        ("iam", FORM, "MissingAuthenticationToken", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("s3", {}, "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    ],
)
def test_each_family_has_its_own_codes(
    verifier: Verifier,
    signer: Signer,
    keyring: Keyring,
    service: str,
    headers: dict[str, str],
    missing: str,
    unknown: str,
    mismatch: str,
) -> None:
    unsigned = Request("POST", "/", "", {name.lower(): value for name, value in headers.items()} | {"host": "h"})
    status = 400 if headers is JSON else 403
    assert refused(verifier, unsigned) == (missing, status)
    signer.credentials = Credentials("AKIAOTHER", keyring.secret)
    assert refused(verifier, signer(service, **headers)) == (unknown, status)
    signer.credentials = Credentials(keyring.access_key, "other")
    assert refused(verifier, signer(service, **headers)) == (mismatch, status)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer x",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/sagemaker/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/sagemaker, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r//aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=" + "a" * 5000 + "/20260101/r/s/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-ECDSA-P256-SHA256 Credential=a/20260101/r/sagemaker/aws4_request, SignedHeaders=host, Signature=0",
    ],
)
def test_an_incomplete_signature_says_what_is_missing(verifier: Verifier, authorization: str) -> None:
    headers = {
        "host": "h",
        "authorization": authorization,
        "x-amz-date": "20260101T000000Z",
        "x-amz-target": "SageMaker.ListModels",
    }
    assert refused(verifier, Request("POST", "/", "", headers)) == ("IncompleteSignatureException", 400)


@pytest.mark.parametrize("timestamp", ["", "yesterday", "20261399T000000Z", "20260101", "2026-01-01T00:00:00Z"])
def test_nonsense_for_a_date(verifier: Verifier, keyring: Keyring, timestamp: str) -> None:
    credential = f"{keyring.access_key}/{timestamp[:8] or '20260101'}/r/sagemaker/aws4_request"
    headers = {"host": "h", "x-amz-date": timestamp, "x-amz-target": "SageMaker.ListModels"}
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"
    assert refused(verifier, Request("POST", "/", "", headers))[0] in (
        "IncompleteSignatureException",
        "InvalidSignatureException",
    )


def test_host_must_be_signed_and_s3_wants_every_amz_header_signed(verifier: Verifier, keyring: Keyring, signer: Signer) -> None:
    request = signer(**JSON)
    request.headers["authorization"] = request.headers["authorization"].replace(";host", "")
    assert refused(verifier, request) == ("InvalidSignatureException", 400)
    request = signer("s3", "PUT", "/bucket/key")
    request.headers["x-amz-acl"] = "public-read"
    assert refused(verifier, request) == ("AccessDenied", 403)


def test_the_dates_of_scope_and_header_must_agree(verifier: Verifier, signer: Signer) -> None:
    request = signer(**JSON)
    request.headers["x-amz-date"] = "20200101T000000Z"
    with pytest.raises(Fault, match="Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"):
        verifier.verify(request)


@pytest.mark.parametrize(
    ("service", "moved", "answer"),
    [
        ("sagemaker", 299, None),
        ("sagemaker", -299, None),
        (
            "sagemaker",
            301,
            "Signature expired: 20270115T080000Z is now earlier than 20270115T080001Z (20270115T080501Z - 5 min.)",
        ),
        (
            "sagemaker",
            -301,
            "Signature not yet current: 20270115T080000Z is still later than 20270115T075959Z (20270115T075459Z + 5 min.)",
        ),
        ("s3", 899, None),
        ("s3", 901, "The difference between the request time and the current time is too large."),
        ("s3", -901, "The difference between the request time and the current time is too large."),
    ],
)
def test_clock_skew(keyring: Keyring, service: str, moved: float, answer: str | None) -> None:
    clock = VirtualClock()
    request = Request("POST", "/", "", {"host": "h"})
    request.headers = sign(request, keyring.access_key, keyring.secret, "r", service, now=clock.now())
    clock.advance(moved)
    if answer is None:
        Verifier(keyring, clock).verify(request)
        return
    with pytest.raises(Fault) as caught:
        Verifier(keyring, clock).verify(request)
    assert caught.value.message == answer
    assert (caught.value.code, caught.value.status) == (
        ("RequestTimeTooSkewed" if service == "s3" else "InvalidSignatureException"),
        403,
    )


@pytest.mark.parametrize(("kind", "service"), [(SigV4QueryAuth, "sts"), (S3SigV4QueryAuth, "s3")])
def test_botocores_presigned_urls(verifier: Verifier, keyring: Keyring, kind: Any, service: str) -> None:
    keys = keyring.mint("123456789012", ROLE, "me", 900, SystemClock().now())
    for credentials in (Credentials(keyring.access_key, keyring.secret), Credentials(keys.access_key, keys.secret, keys.token)):
        request = AWSRequest("GET", f"{URL}/bucket/a%20b?Action=GetCallerIdentity&Version=2011-06-15")
        kind(credentials, service, "eu-west-1", expires=60).add_auth(request)
        identity = verifier.verify(received(request.prepare()))
        assert identity.principal.access_key == credentials.access_key


@pytest.mark.parametrize("service", ["s3", "sts"])
def test_our_presigned_urls_expire(keyring: Keyring, service: str) -> None:
    clock = VirtualClock()
    url = presign_url("GET", f"{URL}/bucket/a%20b?x=1", keyring.access_key, keyring.secret, "r", service, 3600, now=clock.now())
    request = received(AWSRequest("GET", url).prepare())
    verifier = Verifier(keyring, clock)
    clock.advance(3600)
    assert verifier.verify(request).service == service
    clock.advance(1)
    with pytest.raises(Fault, match="Request has expired" if service == "s3" else "Signature expired"):
        verifier.verify(request)
    clock.advance(-3601 - 1000)
    assert refused(verifier, request)[1] == 403


@pytest.mark.parametrize("expires", ["0", "604801", "x", "-1", "9" * 50])
def test_a_presigned_url_lives_seven_days_at_most(verifier: Verifier, keyring: Keyring, expires: str) -> None:
    url = presign_url("GET", f"{URL}/b/k", keyring.access_key, keyring.secret, "r", "s3", 1).replace(
        "X-Amz-Expires=1", f"X-Amz-Expires={expires}"
    )
    assert refused(verifier, received(AWSRequest("GET", url).prepare())) == ("AuthorizationQueryParametersError", 400)
    with pytest.raises(ValueError, match="seconds"):
        presign_url("GET", URL, "a", "b", "r", "s3", 604_801)


def test_s3_bodies_need_not_be_at_hand(verifier: Verifier, keyring: Keyring, signer: Signer) -> None:
    request = signer("s3", "PUT", "/bucket/key", b"data")
    request.body = b""
    identity = verifier.verify(request)
    assert identity.payload_hash == hashlib.sha256(b"data").hexdigest()
    assert refused(verifier, request, hashlib.sha256(b"other").hexdigest()) == ("XAmzContentSHA256Mismatch", 400)
    del request.headers["x-amz-content-sha256"]
    assert refused(verifier, request)[0] == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "claim", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"]
)
def test_s3_claims_instead_of_a_hash(verifier: Verifier, keyring: Keyring, claim: str) -> None:
    request = Request("PUT", "/bucket/key", "", {"host": "h", "x-amz-content-sha256": claim})
    request.headers = sign(request, keyring.access_key, keyring.secret, "r", "s3")
    identity = verifier.verify(request)
    assert identity.payload_hash == claim
    assert identity.seed is not None
    assert request.headers["authorization"].endswith(identity.seed.signature)
    assert identity.seed.scope == f"{request.headers['x-amz-date'][:8]}/r/s3/aws4_request"


def test_our_signature_is_botocores(keyring: Keyring, signer: Signer) -> None:
    theirs = signer("s3", "PUT", "/bucket/a%20b?x-id=PutObject&a=", b"data", x_amz_meta_x="y", Content_Type="text/csv")
    ours = Request(
        "PUT",
        "/bucket/a%20b",
        "x-id=PutObject&a=",
        {"host": "127.0.0.1:9000", "x-amz-meta-x": "y", "content-type": "text/csv"},
        b"data",
    )
    moment = VirtualClock().now()
    verifier = Verifier(keyring, VirtualClock())
    ours.headers = sign(ours, keyring.access_key, keyring.secret, "eu-west-1", "s3", now=moment)
    assert verifier.verify(ours).principal.account == "123456789012"
    assert _names(ours) == _names(theirs)


def test_open_access_takes_any_key(keyring: Keyring, signer: Signer) -> None:
    verifier = Verifier(keyring, SystemClock(), open_access=True)
    signer.credentials = Credentials("test", "test")
    identity = verifier.verify(signer(**JSON))
    assert (identity.service, identity.principal.account) == ("sagemaker", keyring.account)
    signer.credentials = Credentials("210987654321", "test")
    assert verifier.verify(signer(**JSON)).principal.account == "210987654321"
    keys = keyring.mint("123456789012", ROLE, "me", 900, SystemClock().now())
    signer.credentials = Credentials(keys.access_key, keys.secret, keys.token)
    assert verifier.verify(signer(**JSON)).principal.arn.endswith(":assumed-role/Role/me")
    assert (
        refused(verifier, Request("POST", "/", "", {"x-amz-target": "SageMaker.ListModels"}))[0]
        == "MissingAuthenticationTokenException"
    )


def test_no_secret_in_what_is_printed(verifier: Verifier, keyring: Keyring, signer: Signer) -> None:
    keys = keyring.mint("123456789012", ROLE, "me", 900, 0)
    printed = repr((keyring, keyring.first, keys, verifier.verify(signer("s3", "PUT", "/b/k"))))
    assert not any(secret in printed for secret in (keyring.secret, keyring.master, keys.secret, keys.token))


def _names(request: Request) -> list[str]:
    return request.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
