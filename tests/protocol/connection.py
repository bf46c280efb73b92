"""botocore clients whose requests go straight into the wire package and come back as its answers: no socket, no server."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlsplit

import boto3
import urllib3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from sagewright.wire import dispatch
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response
from sagewright.wire.sigv4 import Identity, Verifier

HOST = "127.0.0.1:9000"
REGION = "us-east-1"


def received(prepared: AWSPreparedRequest) -> Request:
    """A request as our HTTP server would give it."""
    parts = urlsplit(prepared.url)
    headers = {name.lower(): _text(value) for name, value in prepared.headers.items()} | {"host": parts.netloc}
    body = prepared.body.read() if hasattr(prepared.body, "read") else prepared.body or b""
    return Request(prepared.method, parts.path or "/", parts.query, headers, body.encode() if isinstance(body, str) else body)


class Server:
    """Answers each operation with a prepared document or fault and keeps what it saw."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self.answers: dict[str, dict[str, Any] | Fault] = {}
        self.request = Request("", "", "", {})
        self.document: dict[str, Any] = {}
        self.call: dispatch.Call | None = None
        self.identity: Identity | None = None
        self.response = Response(0)

    def client(self, service: str, access_key: str, secret: str, token: str | None = None, **arguments: Any) -> Any:
        settings = {"endpoint_url": f"http://{HOST}", "region_name": REGION, **arguments}
        client = boto3.client(
            service,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}),
            **settings,
        )
        client.meta.events.register("before-send", self._send)
        return client

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self.request = received(request)
        self.response = self._answer(self.request)
        headers = urllib3.HTTPHeaderDict()
        for name, value in self.response.headers:
            headers.add(name, value)
        raw = urllib3.HTTPResponse(body=io.BytesIO(self.response.body), preload_content=False)
        return AWSResponse(request.url, self.response.status, headers, raw)

    def _answer(self, request: Request) -> Response:
        self.call = self.identity = None
        signing_name = ""
        try:
            self.identity = self._verifier.verify(request)
            signing_name = self.identity.service
            self.call = dispatch.resolve(signing_name, request)
            self.document = self.call.parse(request)
            answer = self.answers.get(self.call.name, {})
            if isinstance(answer, Fault):
                raise answer
            return self.call.answer(answer, "request-1")
        except Fault as fault:
            if self.call is not None:
                return self.call.fault(fault, "request-1")
            return dispatch.fault_response(request, fault, "request-1", signing_name)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
