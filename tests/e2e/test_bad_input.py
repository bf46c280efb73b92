"""Wrong, huge, truncated and malicious requests over HTTP: a modelled refusal, never a 5xx, a hang, a stack trace or a dead process."""

from __future__ import annotations

import gzip
import json
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from protocol.samples import sample
from protocol.test_malformed import junk_in_address, junk_in_bytes, junk_in_document, junk_in_headers
from protocol.test_operations import WAYS, sent
from support.raw import Answer, Call, Wire
from support.server import ROLE, Server, running_server

from sagewright.supervisor import describe_running
from sagewright.wire.http import Request
from sagewright.wire.model import Served, service_model

ROUNDS = 2
"""Requests of each kind of damage for each operation: about 5000 in all."""
CHANGES: tuple[Callable[[random.Random, Request, str], None], ...] = (
    junk_in_document,
    junk_in_bytes,
    junk_in_address,
    junk_in_headers,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(hold_describe=0.0) as started:
        yield started
        check_unhurt(started)


def check_unhurt(server: Server) -> None:
    """Nothing died, nothing failed unexpectedly, and the server does its work."""
    record = describe_running(server.settings)
    assert record is not None
    assert {name: part["restarts"] for name, part in record["parts"].items()} == dict.fromkeys(record["parts"], 0)
    logs = "\n".join(file.read_text(errors="replace") for file in server.settings.run.glob("*.log"))
    assert "Traceback" not in logs, logs[-5000:]
    sagemaker = server.client("sagemaker")
    name = f"after-{time.monotonic_ns()}"
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE)
    assert sagemaker.describe_model(ModelName=name)["ModelName"] == name


def check_answer(answer: Answer, story: object) -> None:
    """A success, or a refusal with a code that a client can match on."""
    assert answer.status < 500 or answer.status == 501, (story, answer)
    assert b"Traceback" not in answer.body, story
    assert b'File "' not in answer.body, story
    if answer.status >= 400 and answer.headers.get("content-length") != "0":
        code = answer.headers.get("x-amzn-errortype") or re.search(rb"__type|<Code>", answer.body)
        assert code, (story, answer)


@pytest.mark.parametrize("change", CHANGES)
def test_every_operation_refuses_a_spoilt_request(server: Server, change: Callable[..., None]) -> None:
    """Seeded: the same requests each time."""
    work = [
        (entry, protocol, name)
        for entry, protocol in WAYS
        for name in service_model(entry.name).operation_names
        if not service_model(entry.name).operation_model(name).has_event_stream_output
    ]
    local, statuses, lock = threading.local(), Counter[int](), threading.Lock()
    wires: list[Wire] = []

    def attack(item: tuple[Served, str, str]) -> None:
        if not hasattr(local, "wire"):
            local.wire = Wire(server)
            wires.append(local.wire)
        for seed in range(ROUNDS):
            call = spoilt(*item, change, seed)
            answer = local.wire.call(call)
            check_answer(answer, (item, seed, call))
            with lock:
                statuses[answer.status] += 1

    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(attack, work))
    for wire in wires:
        wire.close()
    assert time.monotonic() - began < 60
    assert statuses[400] > len(work) / 4, statuses


def spoilt(entry: Served, protocol: str, name: str, change: Callable[..., None], seed: int) -> Call:
    """One damaged request, which is signed after that."""
    operation = service_model(entry.name).operation_model(name)
    document = sample(operation.input_shape, bool(seed % 2)) if operation.input_shape is not None else {}
    request = sent(operation, protocol, document)
    change(random.Random(f"{entry.name} {name} {change.__name__} {seed}"), request, protocol)
    # What ends a line or a word would be another request altogether: smuggling has a test of its own.
    headers = {
        key: re.sub(r"[\r\n\x00]", "?", value)
        for key, value in request.headers.items()
        if key not in ("host", "content-length")
    }
    path = re.sub(r"[\x00-\x20]", "%00", request.path)
    return Call(
        body=request.body,
        service=entry.signing_name,
        method=request.method,
        path=path.encode("ascii", "backslashreplace").decode(),
        query=request.query,
        headers=headers,
    )


DEEP = 200_000
DOCUMENTS: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "text": b'"x"',
    "number": b"1",
    "truncated": b'{"MaxResults": ',
    "deep list": b"[" * DEEP,
    "deep object": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep in a member": b'{"Tags":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "not UTF-8": b'{"NameContains": "\xff\xfe"}',
    "half a surrogate": b'{"NameContains": "\\ud800"}',
    "NUL": b'{"NameContains": "a\\u0000b"}',
    "huge integer": b'{"MaxResults": ' + b"9" * 100_000 + b"}",
    "huge exponent": b'{"MaxResults": 1e999999}',
    "NaN": b'{"MaxResults": NaN}',
    "a million members": b"{" + b",".join(b'"m%d":1' % number for number in range(200_000)) + b"}",
    "the same member often": b"{" + b",".join([b'"MaxResults":1'] * 100_000) + b"}",
    "a long string": b'{"NameContains": "' + b"x" * 15_000_000 + b'"}',
    "too large": b'{"NameContains": "' + b"x" * 17_000_000 + b'"}',
    "UTF-16": '{"MaxResults": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a bomb": gzip.compress(b" " * 50_000_000),
}


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("target", ["SageMaker.ListModels", "SageMaker.CreateModel", "Logs_20140328.DescribeLogGroups"])
def test_bodies_that_are_no_document(server: Server, target: str, name: str) -> None:
    wire = Wire(server)
    try:
        service = "logs" if target.startswith("Logs") else "sagemaker"
        headers = {"content-encoding": "gzip"} if name == "a bomb" else {}
        answer = wire.call(Call(target, DOCUMENTS[name], service, headers=headers))
        check_answer(answer, name)
        assert answer.status in (200, 400, 413)
    finally:
        wire.close()


GOOD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
RAW: dict[str, bytes] = {
    "both framings": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GOOD,
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\n{}",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\n{}",
    "endless length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\n{}",
    "hex length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\n{}",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunk size": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "space before colon": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 2\r\n\r\n{}",
    "folded header": b"POST / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n Content-Length: 2\r\n\r\n{}",
    "bare LF": b"POST / HTTP/1.1\nHost: x\nContent-Length: 2\n\n{}",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
    "long header": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 200_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(5000)) + b"\r\n",
    "long path": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "another version": b"GET / HTTP/3.7\r\nHost: x\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "noise": random.Random(0).randbytes(4000),
    "absolute form": b"GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "path upwards": b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_what_is_hardly_http(server: Server, name: str) -> None:
    with socket.create_connection((server.settings.host, server.settings.port), 10) as client:
        client.settimeout(10)
        client.sendall(RAW[name])
        client.shutdown(socket.SHUT_WR)
        said = b""
        try:
            while part := client.recv(65536):
                said += part
        except ConnectionResetError:
            pass  # cut while it still sent
    statuses = [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3})", said)]
    assert all(400 <= status < 500 or status in (501, 505) for status in statuses), said
    assert len(statuses) <= 1, "a second request was found in the first one's body"
    assert b"root:" not in said


def test_a_slow_client_harms_nobody(server: Server) -> None:
    """Hundreds of connections that never finish their heads; others are answered meanwhile."""
    slow = [socket.create_connection((server.settings.host, server.settings.port), 10) for _ in range(300)]
    wire = Wire(server)
    try:
        for client in slow:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-")
        began = time.monotonic()
        for _ in range(20):
            assert wire.call(Call("SageMaker.ListModels")).status == 200
        assert time.monotonic() - began < 5
    finally:
        wire.close()
        for client in slow:
            client.close()


@pytest.mark.parametrize(
    "name", ["../../etc/x", "..", "a/../../b", "a" * 500, "\u0000", "a\nb", "-x", "x\u202e", "", "%2e%2e%2f"]
)
def test_a_name_is_not_a_path(server: Server, name: str) -> None:
    wire = Wire(server)
    document: dict[str, Any] = {"EndpointName": name, "EndpointConfigName": "none"}
    try:
        for target in ("CreateEndpoint", "DescribeEndpoint", "DeleteEndpoint"):
            answer = wire.call(Call(f"SageMaker.{target}", json.dumps(document).encode()))
            check_answer(answer, name)
            assert answer.status == 400
        invoke = Call(
            body=b"1", path=f"/endpoints/{name.encode('utf-8').hex() if not name.isprintable() else name}/invocations"
        )
        check_answer(wire.call(invoke), name)
    finally:
        wire.close()
