"""Where SeaweedFS answers differently from Amazon S3, and what is done about it.

Measured against SeaweedFS 4.48; docs/notes/objects.md lists each difference. Nothing here applies to an S3 that is not ours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, unquote_to_bytes

from sagewright.front.s3keys import shown_keys, stored_deletions, stored_key, stored_prefix
from sagewright.front.s3target import S3Target
from sagewright.wire.errors import Fault
from sagewright.wire.http import Request

Headers = list[tuple[str, str]]

_SSE = "x-amz-server-side-encryption"
_SSE_KEY = "x-amz-server-side-encryption-aws-kms-key-id"
_SSE_FAMILY = frozenset(
    (_SSE, _SSE_KEY, "x-amz-server-side-encryption-context", "x-amz-server-side-encryption-bucket-key-enabled")
)
_SSE_NOTE = "x-amz-meta-sagewright-sse"
_KMS = frozenset(("aws:kms", "aws:kms:dsse"))
_PREFIX_PARAMETERS = frozenset(("prefix", "marker", "start-after", "key-marker"))
_UNQUOTED_ETAG = re.compile(rb"<ETag>([0-9a-f-]+)</ETag>")
_LOCATION = re.compile(rb"(?<=<Location>)https?://[^/<]+")
_REQUEST_ID = re.compile(rb"(?<=<RequestId>)[^<]*")


class Caller(Protocol):
    """Who asks."""

    @property
    def account(self) -> str: ...

    @property
    def region(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Encryption:
    """What a client asked of an object's encryption with KMS; ``key`` is the ARN to show."""

    algorithm: str
    key: str

    @classmethod
    def asked(cls, headers: dict[str, str], caller: Caller) -> Encryption | None:
        """From request headers; None without KMS. Raises Fault on an algorithm S3 does not have."""
        algorithm = headers.get(_SSE, "")
        if algorithm not in _KMS:
            if algorithm not in ("", "AES256"):
                raise Fault("InvalidArgument", "The encryption method specified is not supported")
            return None
        key = headers.get(_SSE_KEY, "") or "alias/aws/s3"
        if not key.startswith("arn:"):
            resource = key if key.startswith("alias/") else f"key/{key}"
            key = f"arn:aws:kms:{caller.region}:{caller.account}:{resource}"
        return cls(algorithm, key)

    def shown(self) -> Headers:
        """The headers S3 answers with."""
        return [(_SSE, self.algorithm), (_SSE_KEY, self.key)]

    def note(self) -> tuple[str, str]:
        """How the object remembers it: a metadata entry that clients do not see."""
        return _SSE_NOTE, f"{self.algorithm};{self.key}"

    @classmethod
    def noted(cls, text: str) -> Encryption:
        algorithm, _, key = text.partition(";")
        return cls(algorithm, key)


def mend_headers(method: str, target: S3Target, headers: Headers, encryption: Encryption | None) -> Headers:
    """Request headers for SeaweedFS.

    It fails on KMS without a key id, and has no KMS: what asks for KMS is encrypted with the server's own key (AES256), and
    the object remembers what was asked. Parts that it takes for text it compresses, and unpacks them at every reading, which costs
    five times the reading itself; the type of a part means nothing else.
    """
    mended: Headers = []
    for name, value in headers:
        if name == "x-amz-copy-source":
            mended.append((name, _stored_source(value)))
        elif encryption is None or name not in _SSE_FAMILY:
            mended.append((name, value))
    if encryption is not None:
        mended += [(_SSE, "AES256"), encryption.note()]
    if method == "PUT" and target.has("partNumber") and not any(name == "x-amz-copy-source" for name, _ in headers):
        return [*(item for item in mended if item[0] != "content-type"), ("content-type", "binary/octet-stream")]
    creates = target.key and ((method == "PUT" and not target.query) or (method == "POST" and target.has("uploads")))
    if creates and not any(name in ("content-type", "x-amz-copy-source") for name, _ in headers):
        mended.append(("content-type", "binary/octet-stream"))
    return mended


def refuse_marker_with_content(target: S3Target, request: Request) -> None:
    """SeaweedFS takes a key that ends with a slash for a folder and would silently drop its content."""
    length = request.headers.get("x-amz-decoded-content-length") or request.headers.get("content-length", "0")
    if request.method == "PUT" and target.key.endswith(b"/") and length != "0":
        raise Fault("NotImplemented", "An object whose key ends with a slash cannot have content here.", 501)


def mend_query(target: S3Target) -> list[tuple[str, str]]:
    """The query with keys as they are stored."""
    return [(name, stored_prefix(value) if name in _PREFIX_PARAMETERS else value) for name, value in target.query]


def mend_body(target: S3Target, body: bytes) -> bytes:
    """A small XML request body for SeaweedFS."""
    if target.has("delete"):
        return stored_deletions(body)
    if target.has("encryption") and b"aws:kms" in body:
        raise Fault("NotImplemented", "Default encryption with KMS is not implemented; AES256 is.", 501)
    return body


def mend_answer_headers(method: str, headers: Headers, encryption: Encryption | None) -> Headers:
    """Answer headers as S3 gives them."""
    kept: Headers = []
    for name, value in headers:
        lower = name.lower()
        if lower == _SSE_NOTE:
            encryption = Encryption.noted(value)
        elif not lower.startswith("seaweed-"):
            kept.append((name, value))
    if encryption is not None:
        kept = [(name, value) for name, value in kept if name.lower() != _SSE] + encryption.shown()
    return kept


def mend_document(document: bytes, url: str, request_id: str) -> bytes:
    """An XML answer as S3 gives it; ``url`` is the scheme and host the client used."""
    document = shown_keys(document)
    document = _UNQUOTED_ETAG.sub(rb"<ETag>&#34;\1&#34;</ETag>", document)
    document = _LOCATION.sub(url.encode("latin-1", "replace").replace(b"\\", b""), document)
    return _REQUEST_ID.sub(request_id.encode(), document)


def location_document(region: str) -> bytes:
    """GetBucketLocation: the region one asks in, because every region sees the same buckets; us-east-1 is empty."""
    inner = "" if region == "us-east-1" else region
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</LocationConstraint>'
    ).encode()


def _stored_source(value: str) -> str:
    source, mark, version = value.partition("?")
    bucket, slash, key = unquote_to_bytes(source.removeprefix("/")).partition(b"/")
    return quote(b"/" + bucket + slash + stored_key(key), safe="/-_.~") + mark + version
