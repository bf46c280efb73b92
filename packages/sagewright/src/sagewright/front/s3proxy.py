"""S3 requests on their way to the S3 behind the front and back; nothing is kept, bodies stream both ways.

The caller is proven already. What the client signed of the body is checked while it passes (s3payload.py), the request is
signed anew with internal credentials (objects/signing.py), and what SeaweedFS does differently is mended (s3mend.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from sagewright.front.body import Body
from sagewright.front.s3chunks import ChunkSignatures
from sagewright.front.s3mend import (
    Caller,
    Encryption,
    location_document,
    mend_answer_headers,
    mend_body,
    mend_document,
    mend_headers,
    mend_query,
    refuse_marker_with_content,
)
from sagewright.front.s3payload import (
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED_TRAILER,
    check_hash,
    decode_signed_chunks,
    hash_mismatch,
    reframe_signed_chunks,
)
from sagewright.front.s3ranges import SHORTEST, LongRange
from sagewright.front.s3target import S3Target
from sagewright.front.streamed import Answer, Streamed
from sagewright.objects.origin import Headers, Origin, OriginAnswer
from sagewright.objects.signing import UNSIGNED, Keys, Signer
from sagewright.objects.upstream import Upstream
from sagewright.objects.volumes import Volumes
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request, Response

_SMALL = 256 * 1024
"""Bodies up to here are sent whole, so that the request can be repeated on a fresh connection."""

_DOCUMENT_LIMIT = 32 * 1024 * 1024
"""Bytes of an XML document, either way; a listing of 1000 keys stays far below."""

_OWN_HEADERS = frozenset(
    (
        "host",
        "authorization",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
        "http2-settings",
        "expect",
        "content-length",
        "transfer-encoding",
        "user-agent",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-s3session-token",
        "x-amz-content-sha256",
        "x-amz-user-agent",
        "x-amz-expected-bucket-owner",
        "x-amz-source-expected-bucket-owner",
        "x-amz-request-payer",
    )
)
_CHUNK_HEADERS = frozenset(("x-amz-decoded-content-length", "x-amz-trailer"))
_DROPPED_ANSWER_HEADERS = frozenset(
    ("server", "date", "connection", "keep-alive", "transfer-encoding", "x-amz-request-id", "x-amz-id-2", "vary")
)

Payload: TypeAlias = tuple[bytes | AsyncIterator[bytes], str, Headers]
"""What to send: a body, its ``x-amz-content-sha256``, and the headers that frame it."""


@dataclass(frozen=True, slots=True)
class S3Call:
    """One proven S3 request. ``claimed`` is what its signature says of the body (``x-amz-content-sha256``); ``signatures`` check
    the chunks of a body that is signed in chunks, None where access is open."""

    caller: Caller
    request: Request
    body: Body
    request_id: str
    claimed: str = UNSIGNED
    signatures: ChunkSignatures | None = None


class S3Proxy:
    """The way to one upstream."""

    def __init__(self, upstream: Upstream, origin: Origin, volumes: Volumes | None = None) -> None:
        """``volumes``: where long ranges of plain objects are read without the gateway."""
        self._origin = origin
        self._volumes = volumes
        self._signer = Signer(upstream.authority, upstream.region, Keys(upstream.access_key, upstream.secret_key))
        self._mends = upstream.embedded

    async def handle(self, call: S3Call) -> Answer:
        """Answers one S3 request. Raises Fault with S3's codes."""
        answer = await self._handle(call)
        answer.headers += [("x-amz-request-id", call.request_id), ("x-amz-id-2", call.request_id)]
        return answer

    async def answers(self) -> bool:
        """Whether the S3 answers; raises ConnectionError or TimeoutError when it cannot be reached."""
        location, headers = self._signer.sign("GET", "/", [], [], UNSIGNED)
        answer = await self._origin.exchange("GET", location, headers, b"")
        await answer.parts.aclose()
        return answer.status < 500

    async def close(self) -> None:
        """Closes idle connections."""
        await self._origin.close()
        if self._volumes is not None:
            await self._volumes.close()

    async def _handle(self, call: S3Call) -> Answer:
        request = call.request
        target = S3Target.of(request)
        _check_owner(call)
        if self._mends and request.method == "GET" and not target.key and target.has("location"):
            await self._need_bucket(target)
            return Response(200, [("Content-Type", "application/xml")], location_document(call.caller.region))
        encryption = Encryption.asked(request.headers, call.caller) if self._mends else None
        wanted = LongRange.asked(request, target) if self._volumes is not None else None
        if wanted is not None and (found := await self._from_volumes(call, target, wanted)) is not None:
            return found
        answer = await self._forward(call, target, encryption)
        return await self._answer(call, target, encryption, answer)

    async def _from_volumes(self, call: S3Call, target: S3Target, wanted: LongRange) -> Streamed | None:
        """A long range without the gateway, which is asked for its first byte and so decides everything; None when it is to give all."""
        assert self._volumes is not None
        answer = await self._forward(replace(call, request=wanted.first_byte(call.request)), target, None)
        try:
            await answer.read(1)
        except (ConnectionError, TimeoutError):
            return None
        version = wanted.version(answer, target)
        stop = min(wanted.stop, version.size) if version is not None else 0
        if version is None or stop - wanted.start < SHORTEST:
            return None
        shown = await self._answer(call, target, None, answer)
        parts = await self._volumes.read(version, wanted.start, stop)
        return Streamed(206, wanted.headers(shown.headers, stop, version.size), parts) if parts is not None else None

    async def _forward(self, call: S3Call, target: S3Target, encryption: Encryption | None) -> OriginAnswer:
        request = call.request
        body, digest, framing = await self._payload(call, target)
        headers = _passed_headers(request, target, keep_chunking=digest == UNSIGNED_TRAILER)
        path, query = target.plain_path, target.query
        if self._mends:
            refuse_marker_with_content(target, request)
            headers = mend_headers(request.method, target, headers, encryption)
            path, query = target.stored_path, mend_query(target)
        location, signed = self._signer.sign(request.method, path, query, headers, digest)
        return await self._exchange(request.method, location, [*signed, *framing], body)

    async def _exchange(self, method: str, location: str, headers: Headers, body: bytes | AsyncIterator[bytes]) -> OriginAnswer:
        try:
            return await self._origin.exchange(method, location, headers, body)
        except TimeoutError as silent:
            raise Fault("RequestTimeout", str(silent) or "The object store did not answer in time.", 503) from silent
        except ConnectionResetError:
            raise
        except ConnectionError as away:
            raise Fault("ServiceUnavailable", "The object store cannot be reached; please try again.", 503) from away

    async def _payload(self, call: S3Call, target: S3Target) -> Payload:
        headers = call.request.headers
        claimed = call.claimed or UNSIGNED
        if claimed in (SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER, UNSIGNED_TRAILER):
            return self._chunked_payload(call, claimed)
        if claimed.startswith("STREAMING-"):
            raise Fault("NotImplemented", f"The payload signing {claimed} is not implemented.", 501)
        length = headers.get("content-length")
        if length is None and "transfer-encoding" not in headers:
            return b"", UNSIGNED, [("content-length", "0")] if call.request.method in ("PUT", "POST") else []
        if self._mends and (target.has("delete") or target.has("encryption")):
            document = mend_body(target, await _gathered(call.body, _DOCUMENT_LIMIT, claimed))
            return document, UNSIGNED, [("content-length", str(len(document)))]
        if length is not None and int(length) <= _SMALL:
            small = await _gathered(call.body, _SMALL, claimed)
            return small, UNSIGNED, [("content-length", str(len(small)))]
        stream = aiter(call.body) if claimed == UNSIGNED else check_hash(aiter(call.body), claimed)
        return stream, UNSIGNED, [("content-length", length) if length is not None else ("transfer-encoding", "chunked")]

    def _chunked_payload(self, call: S3Call, claimed: str) -> Payload:
        headers = call.request.headers
        decoded = headers.get("x-amz-decoded-content-length", "")
        if not decoded.isdecimal() or len(decoded) > 15:
            raise Fault("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
        if claimed == UNSIGNED_TRAILER:
            length = headers.get("content-length")
            framing = ("content-length", length) if length is not None else ("transfer-encoding", "chunked")
            return aiter(call.body), UNSIGNED_TRAILER, [framing]
        if claimed == SIGNED_CHUNKS:
            data = decode_signed_chunks(aiter(call.body), call.signatures, int(decoded))
            return data, UNSIGNED, [("content-length", decoded)]
        framed = reframe_signed_chunks(aiter(call.body), call.signatures, int(decoded))
        return framed, UNSIGNED_TRAILER, [("transfer-encoding", "chunked")]

    async def _need_bucket(self, target: S3Target) -> None:
        location, headers = self._signer.sign("HEAD", target.stored_path, [], [], UNSIGNED)
        answer = await self._exchange("HEAD", location, headers, b"")
        await answer.parts.aclose()
        if answer.status == 404:
            raise Fault("NoSuchBucket", "The specified bucket does not exist", 404)

    async def _answer(self, call: S3Call, target: S3Target, encryption: Encryption | None, answer: OriginAnswer) -> Answer:
        request = call.request
        headers = [(name, value) for name, value in answer.headers if name.lower() not in _DROPPED_ANSWER_HEADERS]
        if not self._mends:
            return Streamed(answer.status, headers, answer.parts)
        if answer.status == 409 and _creates_bucket(request, target) and call.caller.region == "us-east-1":
            refusal = await answer.read(_DOCUMENT_LIMIT)
            if b"BucketAlreadyOwnedByYou" in refusal:
                return Response(200, [("Location", f"/{target.bucket}")])
            return self._document(call, answer.status, headers, refusal)
        headers = mend_answer_headers(request.method, headers, encryption if answer.status < 300 else None)
        if request.method == "HEAD":
            if answer.status == 200 and not target.key:
                headers.append(("x-amz-bucket-region", call.caller.region))
            return Streamed(answer.status, headers, answer.parts)
        if _is_document(request, target, answer):
            return self._document(call, answer.status, headers, await answer.read(_DOCUMENT_LIMIT))
        return Streamed(answer.status, headers, answer.parts)

    def _document(self, call: S3Call, status: int, headers: Headers, document: bytes) -> Response:
        kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
        url = f"http://{call.request.headers.get('host', 'localhost')}"
        return Response(status, kept, mend_document(document, url, call.request_id))


def _check_owner(call: S3Call) -> None:
    """Every bucket belongs to the caller's account (API reference, bucket owner condition)."""
    for name in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"):
        if call.request.headers.get(name, call.caller.account) != call.caller.account:
            raise Fault("AccessDenied", "Access Denied", 403)


def _passed_headers(request: Request, target: S3Target, *, keep_chunking: bool) -> Headers:
    passed: Headers = []
    for name, value in request.headers.items():
        if name in _OWN_HEADERS or (name in _CHUNK_HEADERS and not keep_chunking):
            continue
        if name == "content-encoding":
            value = ",".join(coding for coding in value.replace(" ", "").split(",") if coding != "aws-chunked")
            if not value:
                continue
        passed.append((name, value))
    return passed + [item for item in target.hoisted if item[0] not in request.headers and item[0] not in _OWN_HEADERS]


async def _gathered(body: Body, limit: int, claimed: str) -> bytes:
    whole = await body.gather(limit)
    if whole is None:
        raise Fault("MaxMessageLengthExceeded", "Your request was too large.")
    if claimed != UNSIGNED and hashlib.sha256(whole).hexdigest() != claimed.lower():
        raise hash_mismatch()
    return whole


def _creates_bucket(request: Request, target: S3Target) -> bool:
    return request.method == "PUT" and bool(target.bucket) and not target.key and not target.query


def _is_document(request: Request, target: S3Target, answer: OriginAnswer) -> bool:
    """Whether the answer is XML of the server's own, not an object that happens to be XML."""
    if answer.header("content-type").partition(";")[0] not in ("application/xml", "text/xml"):
        return False
    is_object = request.method == "GET" and target.key and not target.query and answer.status < 300
    return not is_object
