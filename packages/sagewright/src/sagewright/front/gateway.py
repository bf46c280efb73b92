"""The way of every request, as one list of steps (``_route``): signature, caller, then S3, inference or control."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit

import orjson

from sagewright.base.ids import request_id as new_request_id
from sagewright.front import express, registry
from sagewright.front.body import Body
from sagewright.front.caller import Caller
from sagewright.front.control import Control
from sagewright.front.inference import BODY_LIMIT
from sagewright.front.objects import ObjectStore
from sagewright.front.presigned_v2 import PresignedV2
from sagewright.front.registry import Registry
from sagewright.front.s3chunks import ChunkSignatures
from sagewright.front.s3proxy import S3Call
from sagewright.front.streamed import Answer
from sagewright.wire.canonical import UNSIGNED_PAYLOAD
from sagewright.wire.dispatch import fault_response
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response
from sagewright.wire.sigv4 import Identity, Verifier

log = logging.getLogger(__name__)

API_BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of an API request's body; the largest that AWS allows us to need is a 6 MB document."""

INFERENCE_BODY_LIMIT = BODY_LIMIT
"""Bytes of an invocation's body (BodyBlob in the runtime service's model)."""

_LARGE = 512 * 1024
"""Bytes of a body that take a third of a millisecond to hash."""
_INFERENCE = "/endpoints/"
_ASYNCHRONOUS = "/async-invocations"
"""These are not answered but kept, and only control keeps anything."""
_OURS = "/_sagewright/"


class Inference(Protocol):
    """Answers ``/endpoints/<name>/…``."""

    async def handle(self, caller: Caller, request: Request) -> Answer:
        """Raises Fault."""


class Gateway:
    """The application behind the listener (see exchange.Application)."""

    def __init__(
        self,
        verifier: Verifier,
        presigned: PresignedV2,
        objects: ObjectStore,
        inference: Inference,
        control: Control,
        registry: Registry,
        *,
        test_hooks: bool = False,
    ) -> None:
        self._verifier = verifier
        self._presigned = presigned
        self._objects = objects
        self._inference = inference
        self._control = control
        self._registry = registry
        self._test_hooks = test_hooks

    def body_limit(self, head: Request) -> int | None:
        """S3's bodies and layers of images are taken as they arrive, all others gathered up to a limit."""
        if _names_s3(head) or _is_for_registry(head):
            return None
        return INFERENCE_BODY_LIMIT if head.path.startswith(_INFERENCE) else API_BODY_LIMIT

    def refuse(self, head: Request, fault: Fault) -> Response:
        """The answer to a request that is not looked at any further."""
        if fault.status == 413 and head.path.startswith(_INFERENCE):
            wanted = f"Member must have length less than or equal to {INFERENCE_BODY_LIMIT}"
            fault = Fault(
                "ValidationError", f"1 validation error detected: Value at 'body' failed to satisfy constraint: {wanted}", 413
            )
        request_id = new_request_id()
        return fault_response(head, fault, request_id, _signing_name(head))

    async def answer(self, request: Request, body: Body | None) -> Answer:
        """Answers one request, whatever happens."""
        request_id = new_request_id()
        try:
            answer = await self._route(request, body, request_id)
        except Fault as fault:
            answer = fault_response(request, fault, request_id, _signing_name(request))
        except ConnectionResetError:
            answer = Response(400)  # the client has gone and will not see it
        except Exception:
            log.exception("%s %s (%s) failed", request.method, request.path, request_id)
            answer = fault_response(request, _unexpected(), request_id, _signing_name(request))
        return _identified(answer, request_id)

    async def _route(self, request: Request, body: Body | None, request_id: str) -> Answer:
        if request.path.startswith(_OURS):
            return await self._ours(request)
        if _is_for_registry(request):
            return await self._registry.handle(request, body or Body.of(request.body))
        identity = await self._identity(request)
        caller = Caller.of(identity)
        if identity.service == "s3":
            return await self._s3(caller, identity, request, body, request_id)
        if body is not None:
            raise Fault("InvalidRequest", "The credential scope of the request is ambiguous.")
        if request.path.startswith(_INFERENCE) and identity.service == "sagemaker" and not request.path.endswith(_ASYNCHRONOUS):
            return await self._inference.handle(caller, request)
        return await self._control.handle(caller, request)

    async def _identity(self, request: Request) -> Identity:
        """Who calls. A large body is hashed beside the event loop, where it would hold up all other answers."""
        if self._presigned.recognises(request):
            return self._presigned.verify(request)
        if len(request.body) < _LARGE or request.headers.get("x-amz-content-sha256") == UNSIGNED_PAYLOAD:
            return self._verifier.verify(request)
        return self._verifier.verify(request, await asyncio.to_thread(_digest, request.body))

    async def _s3(self, caller: Caller, identity: Identity, request: Request, body: Body | None, request_id: str) -> Answer:
        if express.asks_for_session(request):
            return express.session(self._verifier, caller)
        signatures = ChunkSignatures(identity.seed) if identity.seed else None
        call = S3Call(caller, request, body or Body.of(request.body), request_id, identity.payload_hash, signatures)
        return await self._objects.handle(call)

    async def _ours(self, request: Request) -> Response:
        """What is Sagewright's own and unsigned: nothing here tells or changes anything of an account."""
        if request.path == "/_sagewright/health":
            parts = {"control": self._control.connected, "objects": await self._objects.ready()}
            status = 200 if all(parts.values()) else 503
            return Response(status, [("Content-Type", "application/json")], orjson.dumps(parts))
        if request.path == "/_sagewright/reset" and request.method == "POST" and self._test_hooks:
            _refuse_pages(request)
            return await self._control.forward("reset", request)
        raise Fault("UnknownOperationException", "There is nothing at this address.", 404)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _unexpected() -> Fault:
    return Fault("InternalFailure", "The request processing has failed because of an unknown error.", 500)


def _refuse_pages(request: Request) -> None:
    """A web page in the user's browser reaches loopback, too; its requests say that they come from one, or name a host of its own."""
    from_page = "origin" in request.headers or "sec-fetch-site" in request.headers
    if from_page or not _names_loopback(request.headers.get("host", "")):
        raise Fault("AccessDenied", "Access Denied", 403)


def _names_loopback(authority: str) -> bool:
    try:
        host = urlsplit(f"//{authority}").hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _names_s3(request: Request) -> bool:
    """Whether a request says that it is signed for S3, in its headers or, presigned, in its query."""
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return "/s3/aws4_request" in authorization or "/s3express/aws4_request" in authorization
    if "s3express%2Faws4_request" in request.query:
        return True
    return "AWSAccessKeyId=" in request.query or "%2Fs3%2Faws4_request" in request.query or "/s3/aws4_request" in request.query


def _is_for_registry(request: Request) -> bool:
    """No bucket has so short a name, and nobody signs for the registry."""
    return f"{request.path}/".startswith(registry.PATH) and not request.headers.get("authorization", "").startswith("AWS4-")


def _signing_name(request: Request) -> str:
    """The service a request claims to be signed for, for the form of an error; "" when it is not signed."""
    if _names_s3(request):
        return "s3"
    scope, found, _ = request.headers.get("authorization", "").partition("/aws4_request")
    return scope.rpartition("/")[2] if found else ""


def _identified(answer: Answer, request_id: str) -> Answer:
    headers = answer.headers
    for name, _ in headers:
        if len(name) == 16 and name.lower() == "x-amzn-requestid":
            return answer
    headers.append(("x-amzn-RequestId", request_id))
    return answer
