"""What a client signs of an upload's body must be what arrives: hashes, aws-chunked bodies, and flat memory while they pass."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import os
import socket
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.front import FrontRig, front_process, object_process, s3_front, settings_in, short_folder

from sagewright.wire.canonical import Scope, signing_key
from sagewright.wire.http import Request
from sagewright.wire.sigv4 import sign

BUCKET = "payloads"
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture(scope="module")
def rig() -> Iterator[FrontRig]:
    with s3_front(BUCKET) as started:
        yield started


@pytest.fixture(scope="module")
def s3(rig: FrontRig) -> Iterator[Any]:
    with contextlib.closing(rig.client("s3")) as client:
        yield client


def put(rig: FrontRig, key: str, wire_body: bytes, headers: dict[str, str], *, chunked: bool = False) -> tuple[int, bytes]:
    """A signed PUT whose body goes out as it is; ``chunked``: with HTTP's own chunked transfer coding."""
    head = signed_headers(rig, key, headers)
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=20)
    with contextlib.closing(connection):
        body: Any = (wire_body[at : at + 7777] for at in range(0, len(wire_body), 7777)) if chunked else wire_body
        connection.request("PUT", f"/{BUCKET}/{key}", body, head, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, answer.read()


def signed_headers(rig: FrontRig, key: str, headers: dict[str, str]) -> dict[str, str]:
    request = Request("PUT", f"/{BUCKET}/{key}", "", {"host": f"127.0.0.1:{rig.port}", **headers})
    return sign(request, rig.keyring.access_key, rig.keyring.secret, "us-east-1", "s3")


def content(s3: Any, key: str) -> bytes | None:
    try:
        return bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return None


@pytest.mark.parametrize("size", [0, 5, 300_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_claimed_hash(rig: FrontRig, s3: Any, size: int, chunked: bool) -> None:
    """A body that is not the one signed is refused and leaves no object; SeaweedFS alone would keep it."""
    body = os.urandom(size)
    good = {"x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
    assert put(rig, f"good-{size}-{chunked}", body, good, chunked=chunked)[0] == 200
    assert content(s3, f"good-{size}-{chunked}") == body
    status, document = put(
        rig, f"bad-{size}", body, {"x-amz-content-sha256": hashlib.sha256(b"other").hexdigest()}, chunked=chunked
    )
    assert (status, b"<Code>XAmzContentSHA256Mismatch</Code>" in document) == (400, True)
    assert content(s3, f"bad-{size}") is None


def test_claimed_checksum(rig: FrontRig, s3: Any) -> None:
    crc = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
    unsigned = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    assert put(rig, "crc", b"hello", {**unsigned, "x-amz-checksum-crc32": crc})[0] == 200
    assert put(rig, "bad-crc", b"jello", {**unsigned, "x-amz-checksum-crc32": crc})[0] == 400
    assert content(s3, "bad-crc") is None
    got = s3.get_object(Bucket=BUCKET, Key="crc", ChecksumMode="ENABLED")
    assert (got["ChecksumCRC32"], got["Body"].read()) == (crc, b"hello")


@pytest.mark.parametrize("chunked", [False, True])
def test_unsigned_chunks_with_trailer(rig: FrontRig, s3: Any, chunked: bool) -> None:
    """STREAMING-UNSIGNED-PAYLOAD-TRAILER, what SDKs send over https."""
    data = os.urandom(200_000)
    crc = base64.b64encode(zlib.crc32(data).to_bytes(4, "big"))
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in pieces(data, 65536))
    headers = streaming("STREAMING-UNSIGNED-PAYLOAD-TRAILER", len(data), trailer=True)
    assert put(rig, "u", body + b"0\r\nx-amz-checksum-crc32:" + crc + b"\r\n\r\n", headers, chunked=chunked)[0] == 200
    got = s3.get_object(Bucket=BUCKET, Key="u", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["ChecksumCRC32"]) == (data, crc.decode())
    assert "ContentEncoding" not in got
    assert put(rig, "v", body + b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", headers, chunked=chunked)[0] == 400
    assert content(s3, "v") is None


@pytest.mark.parametrize("size", [1, 65536, 1_000_003])
@pytest.mark.parametrize("trailer", [False, True])
def test_signed_chunks(rig: FrontRig, s3: Any, size: int, trailer: bool) -> None:
    """STREAMING-AWS4-HMAC-SHA256-PAYLOAD, with and without trailer, what Java's and Go's SDKs send over http."""
    data = os.urandom(size)
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    status, document = put_signed_chunks(rig, "s", data, mode)
    assert status == 200, document
    got = s3.get_object(Bucket=BUCKET, Key="s", ChecksumMode="ENABLED")
    assert got["Body"].read() == data
    assert "ContentEncoding" not in got
    if trailer:
        assert got["ChecksumCRC32"] == base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


DAMAGES = {
    "data": "SignatureDoesNotMatch",
    "signature": "SignatureDoesNotMatch",
    "trailer": "SignatureDoesNotMatch",
    "short": "IncompleteBody",
    "long": "IncompleteBody",
    "head": "InvalidRequest",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_signed_chunks(rig: FrontRig, s3: Any, damage: str) -> None:
    key = f"damaged-{damage}"
    mode = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if damage == "trailer" else "")
    status, document = put_signed_chunks(rig, key, os.urandom(200_000), mode, damage)
    assert status in (400, 403), document
    assert f"<Code>{DAMAGES[damage]}</Code>".encode() in document
    assert content(s3, key) is None


def put_signed_chunks(rig: FrontRig, key: str, data: bytes, mode: str, damage: str = "") -> tuple[int, bytes]:
    trailer = mode.endswith("TRAILER")
    head = signed_headers(rig, key, streaming(mode, len(data) + {"short": 1, "long": -1}.get(damage, 0), trailer))
    stamp = head["x-amz-date"]
    scope = Scope(stamp[:8], "us-east-1", "s3")
    secret = signing_key(rig.keyring.secret, scope)
    signature = head["authorization"].rpartition("Signature=")[2]
    out = b""
    for number, part in enumerate([*pieces(data, 65536), b""]):
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{signature}\n{EMPTY}\n{hashlib.sha256(part).hexdigest()}"
        signature = hmac.digest(secret, text.encode(), "sha256").hex()
        shown = "0" * 64 if damage == "signature" and number == 1 else signature
        sent = b"x" + part[1:] if damage == "data" and number == 1 else part
        size = b"zz" if damage == "head" and number == 1 else b"%x" % len(part)
        out += size + b";chunk-signature=" + shown.encode() + b"\r\n" + sent + (b"\r\n" if part or not trailer else b"")
    if trailer:
        line = b"x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(data).to_bytes(4, "big"))
        text = f"AWS4-HMAC-SHA256-TRAILER\n{stamp}\n{scope}\n{signature}\n{hashlib.sha256(line + bytes([10])).hexdigest()}"
        signature = "0" * 64 if damage == "trailer" else hmac.digest(secret, text.encode(), "sha256").hex()
        out += line + b"\r\nx-amz-trailer-signature:" + signature.encode() + b"\r\n\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("PUT", f"/{BUCKET}/{key}", out, head)
        answer = connection.getresponse()
        return answer.status, answer.read()


def streaming(mode: str, size: int, trailer: bool) -> dict[str, str]:
    headers = {"x-amz-content-sha256": mode, "content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(size)}
    return headers | ({"x-amz-trailer": "x-amz-checksum-crc32"} if trailer else {})


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def test_interrupted_upload_leaves_nothing(rig: FrontRig, s3: Any) -> None:
    head = signed_headers(rig, "cut", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "content-length": "1000000"})
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection(("127.0.0.1", rig.port), timeout=10) as client:
        client.sendall(f"PUT /{BUCKET}/cut HTTP/1.1\r\n{lines}\r\n".encode() + b"x" * 500_000)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert content(s3, "cut") is None


def test_memory_stays_flat(tmp_path: Path) -> None:
    """200 MB up and down through the front's process; a slow reader stops the reading behind it."""
    size = 200 * 1024 * 1024
    with short_folder() as folder:
        settings = settings_in(folder)
        with object_process(settings), front_process(settings) as (pid, port):
            rig = FrontRig(settings)
            with contextlib.closing(rig.client("s3", f"http://127.0.0.1:{port}")) as s3:
                s3.create_bucket(Bucket="flat")
                s3.put_object(Bucket="flat", Key="warm", Body=b"x" * 2_000_000)
                s3.get_object(Bucket="flat", Key="warm")["Body"].read()
                process = psutil.Process(pid)
                before = process.memory_info().rss
                with zeros(tmp_path, size) as body:
                    s3.put_object(Bucket="flat", Key="big", Body=body)
                after_put = process.memory_info().rss
                stream = s3.get_object(Bucket="flat", Key="big")["Body"]
                received = len(stream.read(1))
                while_stalled = settled(process)
                for part in stream.iter_chunks(1024 * 1024):
                    received += len(part)
                after_get = process.memory_info().rss
        rig.close_unstarted()
    assert received == size
    growth = max(after_put, while_stalled, after_get) - before
    print(f"grew by {growth / 1e6:.1f} MB")
    assert growth < 24 * 1024 * 1024, f"grew by {growth / 1e6:.0f} MB"


def settled(process: psutil.Process) -> int:
    """Memory once it no longer changes: the front holds all it is willing to hold for a reader that does not read."""
    seen: list[int] = []
    deadline = time.monotonic() + 10
    while len(seen) < 10 or len(set(seen[-10:])) > 1:
        assert time.monotonic() < deadline, seen
        seen.append(process.memory_info().rss)
        time.sleep(0.02)
    return seen[-1]


@contextlib.contextmanager
def zeros(folder: Path, size: int) -> Iterator[Any]:
    file = folder / "zeros"
    with file.open("wb") as sink:
        sink.truncate(size)
    with file.open("rb") as source:
        yield source
    file.unlink()
