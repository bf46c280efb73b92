"""Presigned URLs of S3's old signature (version 2), which boto3 still makes in us-east-1 unless it is told otherwise.

Source: Amazon S3 User Guide, "Signing and authenticating REST requests (AWS signature version 2)".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import unquote

from sagewright.base.clock import Clock
from sagewright.front.s3target import virtual_bucket
from sagewright.wire import refusals
from sagewright.wire.credentials import Keyring
from sagewright.wire.errors import Fault
from sagewright.wire.family import Family
from sagewright.wire.http import Request
from sagewright.wire.sigv4 import Identity

_LONGEST = 604_800
"""Seconds such a URL may live; version 2 knew no limit, version 4 has this one."""

_SIGNED_PARAMETERS = frozenset(
    [
        "accelerate",
        "acl",
        "cors",
        "defaultObjectAcl",
        "location",
        "logging",
        "partNumber",
        "policy",
        "requestPayment",
        "torrent",
        "versioning",
        "versionId",
        "versions",
        "website",
        "uploads",
        "uploadId",
        "response-content-type",
        "response-content-language",
        "response-expires",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "delete",
        "lifecycle",
        "tagging",
        "restore",
        "storageClass",
        "notification",
        "replication",
        "analytics",
        "metrics",
        "inventory",
        "select",
        "select-type",
        "object-lock",
    ]
)


class PresignedV2:
    """Checks such URLs against a keyring; with ``open_access`` any key and signature is accepted."""

    def __init__(self, keyring: Keyring, clock: Clock, open_access: bool = False) -> None:
        self._keyring = keyring
        self._clock = clock
        self._open = open_access

    @staticmethod
    def recognises(request: Request) -> bool:
        """Whether the URL looks like one."""
        return "AWSAccessKeyId=" in request.query and "authorization" not in request.headers

    def verify(self, request: Request) -> Identity:
        """Who signed the URL. Raises a Fault in S3's wording."""
        try:
            return self._verified(request, _parameters(request.query))
        except Fault as fault:
            raise refusals.in_family(fault, Family.S3) from None

    def _verified(self, request: Request, given: dict[str, str]) -> Identity:
        expires = given.get("Expires", "")
        if not expires.isdecimal() or len(expires) > 12:
            raise Fault(
                "AccessDenied", "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters", 403
            )
        now = self._clock.now()
        token = given.get("x-amz-security-token") or request.headers.get("x-amz-security-token")
        look_up = self._keyring.anyone if self._open else self._keyring.look_up
        principal = look_up(given["AWSAccessKeyId"], token, now)
        if not self._open:
            expected = base64.b64encode(hmac.digest(principal.secret.encode(), _text(request, given, expires), hashlib.sha1))
            if not hmac.compare_digest(expected, given.get("Signature", "").encode()):
                raise Fault(refusals.MISMATCH, refusals.MISMATCH_MESSAGE, 403)
            if not now <= int(expires) <= now + _LONGEST:
                raise Fault(refusals.EXPIRED_URL, "Request has expired", 403)
        return Identity("s3", self._keyring.region, principal, request.headers.get("x-amz-content-sha256", ""))


def _text(request: Request, given: dict[str, str], expires: str) -> bytes:
    """The string to sign. SDKs move headers into the query; they count as headers all the same."""
    known = {name.lower(): value for name, value in given.items()} | request.headers
    amz = "".join(f"{name}:{known[name].strip()}\n" for name in sorted(known) if name.startswith("x-amz-"))
    bucket = virtual_bucket(request.headers.get("host", ""))
    resource = (f"/{bucket}" if bucket else "") + request.path
    parameters = "&".join(
        f"{name}={given[name]}" if given[name] else name for name in sorted(_SIGNED_PARAMETERS.intersection(given))
    )
    if parameters:
        resource += f"?{parameters}"
    lines = (request.method, known.get("content-md5", ""), known.get("content-type", ""), expires, f"{amz}{resource}")
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _parameters(query: str) -> dict[str, str]:
    found = {}
    for item in query.split("&"):
        name, _, value = item.partition("=")
        found[unquote(name)] = unquote(value, errors="surrogateescape")
    return found
