"""What an S3 request is about: bucket, key and query, whichever way the client writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from sagewright.front.s3keys import stored_key
from sagewright.objects.signing import decode_path, encode_path
from sagewright.wire.http import Request

_VIRTUAL_HOSTS = (
    re.compile(r"^(?P<bucket>.+?)\.s3(?:[.-][a-z0-9.-]+)?\.amazonaws\.com(?::\d+)?$"),
    re.compile(r"^(?P<bucket>.+?)\.(?:s3\.)?localhost(?::\d+)?$"),
)
_SERVICE_LABELS = frozenset(("s3", "sagemaker"))

_SIGNATURE_PARAMETERS = frozenset(
    (
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-signedheaders",
        "x-amz-signature",
        "x-amz-security-token",
        "x-amz-s3session-token",
        "x-amz-content-sha256",
        "awsaccesskeyid",
        "signature",
        "expires",
    )
)


@dataclass(frozen=True, slots=True)
class S3Target:
    """``key`` is decoded and as the client means it ("" for the bucket or the service itself).

    ``query`` is decoded and free of the parameters of a presigned URL; ``hoisted`` are the headers that some SDKs put into a
    presigned URL's query.
    """

    bucket: str
    key: bytes
    query: list[tuple[str, str]]
    hoisted: list[tuple[str, str]]

    @classmethod
    def of(cls, request: Request) -> S3Target:
        """Path style, or virtual-host style: ``<bucket>.localhost``, ``<bucket>.s3.<region>.amazonaws.com``."""
        bucket = virtual_bucket(request.headers.get("host", ""))
        path = decode_path(request.path[1:])
        if bucket:
            key = path
        else:
            name, _, key = path.partition(b"/")
            bucket = name.decode("utf-8", "surrogateescape")
        query, hoisted = _split_query(request.query)
        return cls(bucket, key, query, hoisted)

    def has(self, name: str) -> bool:
        """Whether the query names a sub-resource such as ``uploads``."""
        return any(known == name for known, _ in self.query)

    @property
    def stored_path(self) -> str:
        """The percent-encoded path to ask the embedded server for."""
        bucket = self.bucket.encode("utf-8", "surrogateescape")
        return encode_path(b"/" + bucket + (b"/" + stored_key(self.key) if self.key else b"")) if bucket else "/"

    @property
    def plain_path(self) -> str:
        """The percent-encoded path to ask any other S3 for."""
        bucket = self.bucket.encode("utf-8", "surrogateescape")
        return encode_path(b"/" + bucket + (b"/" + self.key if self.key else b"")) if bucket else "/"


def virtual_bucket(host: str) -> str:
    """The bucket that a Host header names, "" when it names none."""
    for pattern in _VIRTUAL_HOSTS:
        match = pattern.match(host)
        if match is not None and match["bucket"] not in _SERVICE_LABELS:
            return match["bucket"]
    return ""


def _split_query(query: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    kept: list[tuple[str, str]] = []
    hoisted: list[tuple[str, str]] = []
    for item in query.split("&") if query else ():
        raw_name, _, raw_value = item.partition("=")
        name, value = unquote(raw_name, errors="surrogateescape"), unquote(raw_value, errors="surrogateescape")
        lower = name.lower()
        if not name or lower in _SIGNATURE_PARAMETERS:
            continue
        if lower.startswith("x-amz-"):
            hoisted.append((lower, value.replace("\r", " ").replace("\n", " ")))
        else:
            kept.append((name, value))
    return kept, hoisted
