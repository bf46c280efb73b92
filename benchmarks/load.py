"""The generator: wrk replays raw, signed requests from a file, so that signing costs nothing while it measures."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_SCRIPT = """
local file = io.open("%s", "rb")
local all = file:read("*a")
file:close()
local requests, at = {}, 1
while at <= #all do
   local size = tonumber(all:sub(at, at + 7), 16)
   requests[#requests + 1] = all:sub(at + 8, at + 7 + size)
   at = at + 8 + size
end
local i = 0
function request()
   i = i %% #requests + 1
   return requests[i]
end
function done(summary, latency)
   local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
   io.write(string.format('{"requests":%%d,"microseconds":%%d,"errors":%%d,"p50":%%f,"p99":%%f}\\n',
      summary.requests, summary.duration, errors, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Result:
    """Requests per second, errors, and p50 and p99 in milliseconds."""

    rate: float
    p50: float
    p99: float
    errors: int


def available() -> bool:
    return shutil.which("wrk") is not None


def run(url: str, requests: Iterable[bytes], connections: int, seconds: int = 3) -> Result:
    """Replays the requests over and over on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "requests")
        data.write_bytes(b"".join(b"%08x%s" % (len(request), request) for request in requests))
        script = Path(folder, "replay.lua")
        script.write_text(_SCRIPT % data)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), url]
        output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return Result(
        found["requests"] / (found["microseconds"] / 1e6), found["p50"] / 1000, found["p99"] / 1000, int(found["errors"])
    )


def signed(
    url: str, method: str, path: str, body: bytes, headers: dict[str, str], keys: tuple[str, str], service: str = "sagemaker"
) -> bytes:
    """One raw HTTP request with a SigV4 signature."""
    host = url.removeprefix("http://")
    request = AWSRequest(method, f"{url}{path}", data=body, headers={**headers, "Host": host})
    SigV4Auth(Credentials(*keys), service, "us-east-1").add_auth(request)
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def plain(url: str, path: str, body: bytes, content_type: str) -> bytes:
    """One raw HTTP request without a signature."""
    head = f"POST {path} HTTP/1.1\r\nHost: {url[7:]}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def once(url: str, requests: list[bytes], connections: int = 8) -> None:
    """Sends every request exactly once, each connection one after the other; raises when an answer is not 200."""
    host, _, port = url.removeprefix("http://").partition(":")

    def send(mine: list[bytes]) -> None:
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.connect()
        for request in mine:
            connection.sock.sendall(request)
            answer = http.client.HTTPResponse(connection.sock)
            answer.begin()
            body = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{answer.status} {body[:200]!r}")
        connection.close()

    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(send, [requests[number::connections] for number in range(connections)]))
