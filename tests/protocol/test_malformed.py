"""Whatever arrives, the answer is a modelled refusal: never another exception, never a 5xx."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import parse_qsl, urlencode

import cbor2
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from protocol.samples import sample
from protocol.test_operations import WAYS, sent

from sagewright.wire import dispatch
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response
from sagewright.wire.model import Served, service_model

JUNK: list[Any] = [
    None, True, False, 0, -1, 2**31, 2**63, 2**64 - 1, -(2**63), 1.5, -0.0, 1e300, "", "x", "x" * 3000, "\x00", "é\u2028", "NaN", "-1", "1e999",
    "2026-01-01T00:00:00Z", "9999-99-99", "${x}", "a\r\nb: c", [], [[]], [None], [1, "x", {}], {}, {"": ""}, {"a": {"b": [1]}}, {"x": None},
]  # fmt: skip
FAMILIES = ["", "sagemaker", "sts", "iam", "logs", "monitoring", "events", "ec2", "s3", "unknown"]
Change = Callable[[random.Random, Request, str], None]


def handled(signing_name: str, request: Request) -> Response | None:
    """As the API does it: the refusal, or None for a request that is good after all."""
    try:
        call = dispatch.resolve(signing_name, request)
    except Fault as fault:
        return dispatch.fault_response(request, fault, "request-1", signing_name)
    try:
        call.parse(request)
    except Fault as fault:
        return call.fault(fault, "request-1")
    return None


def junk_in_document(chance: random.Random, request: Request, protocol: str) -> None:
    if protocol in ("query", "ec2"):
        fields = parse_qsl(request.body.decode())
        name, _ = chance.choice(fields)
        name = chance.choice(
            [name, name + ".1", name + ".member.1", name + ".entry.1.key", name.rpartition(".")[0], "." * 5, name + ".x" * 999]
        )
        request.body = urlencode([*fields, (name, str(chance.choice(JUNK)))]).encode()
        return
    read, write = (cbor2.loads, cbor2.dumps) if "cbor" in protocol else (orjson.loads, orjson.dumps)
    try:
        document = read(request.body or b"{}")
    except ValueError:
        return  # a raw payload
    if isinstance(document, dict):
        spots = list(_spots(document)) or [(document, "x")]
        container, key = chance.choice(spots)
        container[key] = deepcopy(chance.choice(JUNK))
        request.body = write(document)


def junk_in_bytes(chance: random.Random, request: Request, protocol: str) -> None:
    body = bytearray(request.body)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(body) + 1)
        body[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
    request.body = bytes(body[: chance.randrange(len(body) + 1)] if chance.random() < 0.3 else body)


def junk_in_address(chance: random.Random, request: Request, protocol: str) -> None:
    path = request.path
    at = chance.randrange(len(path) + 1)
    request.path = path[:at] + chance.choice(["%", "%ff", "%2F", "/", "..", "\x00", "é", "{", "x" * 500]) + path[at:]
    request.query = chance.choice(
        [request.query, "a", "a=%ff", "&&==", "MaxResults=x", "MaxResults=-1", "MaxResults=1e9", "x=1&" * 11_000]
    )


def junk_in_headers(chance: random.Random, request: Request, protocol: str) -> None:
    name = chance.choice(
        [
            *request.headers,
            "x-amz-target",
            "content-type",
            "smithy-protocol",
            "content-encoding",
            "x-amzn-sagemaker-inference-id",
        ]
    )
    values = ["", "x", "é", "gzip", "rpc-v2-cbor", "SageMaker.", ".", "SageMaker.CreateModel", "\xff" * 300]
    if chance.random() < 0.3:
        request.headers.pop(name, None)
    else:
        request.headers[name] = chance.choice(values)


@pytest.mark.parametrize("change", [junk_in_document, junk_in_bytes, junk_in_address, junk_in_headers])
@pytest.mark.parametrize(("entry", "protocol"), WAYS, ids=lambda value: getattr(value, "name", value))
def test_a_spoilt_request_is_refused_or_still_good(entry: Served, protocol: str, change: Change) -> None:
    model, refusals = service_model(entry.name), 0
    for name in model.operation_names:
        operation = model.operation_model(name)
        for seed in range(6):
            document = sample(operation.input_shape, bool(seed % 2)) if operation.input_shape is not None else {}
            request = sent(operation, protocol, document)
            change(random.Random(f"{name} {seed}"), request, protocol)
            response = handled(entry.signing_name, request)
            if response is not None:
                refusals += 1
                assert 400 <= response.status < 500, (name, seed)
    if change is junk_in_document and entry.name != "sagemaker-runtime":  # any bytes are a good payload there
        assert refusals


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    signing_name=st.sampled_from(FAMILIES),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "x"]),
    path=st.sampled_from(["/", "/endpoints/e/invocations", "/FeatureGroup/g", "/service/x/operation/y", "/service/GraniteServiceVersion20100801/operation/ListMetrics"])
    | st.text(max_size=40),
    query=st.sampled_from(["", "Action=ListRoles", "Action=AssumeRole&RoleArn"]) | st.text(max_size=40),
    headers=st.dictionaries(
        st.sampled_from(["x-amz-target", "content-type", "smithy-protocol", "content-encoding", "authorization"]),
        st.sampled_from(["SageMaker.ListModels", "Logs_20140328.GetLogEvents", "rpc-v2-cbor", "application/x-www-form-urlencoded", "gzip"])
        | st.text(max_size=30),
    ),
    body=st.binary(max_size=60) | st.sampled_from([b"{}", b"[1]", b"Action=GetCallerIdentity", b"\xa0", b"\xa1\x61a\xc1\xf9\x7e\x00", b"[" * 5000]),
)  # fmt: skip
def test_any_request_at_all(
    signing_name: str, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    response = handled(signing_name, Request(method, path, query, headers, body))
    assert response is None or 400 <= response.status < 500


def test_a_bomb_is_not_unpacked() -> None:
    call = dispatch.call("cloudwatch", "PutMetricData", "json")
    bomb = gzip.compress(bytes(dispatch.LARGEST_INFLATED + 1))
    for body in (bomb, bomb[:100], b"", b"x"):
        with pytest.raises(Fault, match="gzip"):
            call.parse(Request("POST", "/", "", {"content-encoding": "gzip"}, body))


def test_shared_references_in_cbor_are_refused() -> None:
    """Thirty levels of two references each would be a billion entries."""
    call = dispatch.call("cloudwatch", "PutMetricData")
    for tag in ("d81c", "d81d", "c2", "c4", "d82384", "d9010281", "d9d9f7"):
        body = bytes.fromhex("a1694e616d657370616365" + tag + "4101")
        with pytest.raises(Fault, match="CBOR"):
            call.parse(Request("POST", "/", "", {}, body))


def _spots(container: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in container.items() if isinstance(container, dict) else enumerate(container):
        yield container, key
        if isinstance(value, dict | list):
            yield from _spots(value)
