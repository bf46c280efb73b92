"""Raw HTTP requests, signed here without any SDK, so that a test can make each part wrong."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import urllib.parse
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass
class Call:
    """A request before it is signed; ``age`` in seconds moves its date into the past."""

    target: str = ""
    body: bytes = b"{}"
    service: str = "sagemaker"
    region: str = "us-east-1"
    method: str = "POST"
    path: str = "/"
    query: str = ""
    age: float = 0.0
    token: str = ""
    terminator: str = "aws4_request"
    headers: dict[str, str] = field(default_factory=dict)

    def signed(self, host: str, access_key: str, secret: str) -> dict[str, str]:
        """All headers, with the signature."""
        now = datetime.now(UTC) - timedelta(seconds=self.age)
        stamp = now.strftime("%Y%m%dT%H%M%SZ")
        headers = {"host": host, "x-amz-date": stamp, **self.headers}
        if self.target:
            headers.setdefault("x-amz-target", self.target)
            headers.setdefault("content-type", "application/x-amz-json-1.1")
        if self.token:
            headers["x-amz-security-token"] = self.token
        digest = hashlib.sha256(self.body).hexdigest()
        if self.service == "s3":
            headers.setdefault("x-amz-content-sha256", digest)
        names = ";".join(sorted(headers))
        path = self.path if self.service == "s3" else urllib.parse.quote(self.path, safe="/~")
        query = "&".join(sorted(self.query.split("&"))) if self.query else ""
        lines = [f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers)]
        canonical = "\n".join([self.method, path, query, "".join(lines), names, digest])
        scope = f"{stamp[:8]}/{self.region}/{self.service}/{self.terminator}"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode("utf-8", "replace")).hexdigest()])
        key = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "authorization": credential}


class Wire:
    """A connection to one server, made again when the server closes it."""

    def __init__(self, server: Any, timeout: float = 20.0) -> None:
        self.host, self.port = server.settings.host, server.settings.port
        self.keys = server.keys()
        self._timeout = timeout
        self._connection: socket.socket | None = None

    def call(self, call: Call, keys: tuple[str, str] | None = None) -> Answer:
        """Signs and sends."""
        access_key, secret = keys or self.keys
        return self.send(call, call.signed(f"{self.host}:{self.port}", access_key, secret))

    def send(self, call: Call, headers: dict[str, str], body: bytes | None = None) -> Answer:
        """Sends with these headers; ``body`` when it is not the call's."""
        target = call.path + (f"?{call.query}" if call.query else "")
        content = call.body if body is None else body
        for last in (False, True):
            try:
                return self._exchange(call.method, target, headers, content)
            except (http.client.RemoteDisconnected, ConnectionError):
                self.close()
                if last:
                    raise
        raise AssertionError

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        if self._connection is None:
            self._connection = socket.create_connection((self.host, self.port), self._timeout)
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        if "content-length" not in headers and "transfer-encoding" not in headers:
            lines.append(f"content-length: {len(body)}")
        self._connection.sendall("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass") + body)
        with http.client.HTTPResponse(self._connection, method=method) as answer:
            answer.begin()
            found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
            closes = answer.will_close
        if closes:
            self.close()
        return found
