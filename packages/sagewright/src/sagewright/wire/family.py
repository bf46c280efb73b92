"""The family of protocol a request talks, told from its outside: it decides how to read it and how an early error must look."""

from __future__ import annotations

from enum import Enum

from sagewright.wire.http import Request

_FORM = "application/x-www-form-urlencoded"


class Family(Enum):
    """Requests that are read alike and whose errors look alike."""

    JSON = "json"
    CBOR = "cbor"
    QUERY = "query"
    EC2 = "ec2"
    REST = "rest"
    S3 = "s3"


_QUERY_SIGNERS = frozenset({"sts", "iam", "sns"})
"""Services that talk nothing else; a request without a form (a missing Action) is answered in XML all the same."""

_REST_PATHS = (
    "/endpoints/",
    "/FeatureGroup/",
    "/BatchGetRecord",
    "/BatchWriteRecord",
    "/BatchPutMetrics",
    "/BatchGetMetrics",
    "/human-loops",
)


def family_of(request: Request, signing_name: str = "") -> Family:
    """``signing_name`` is the service of the credential scope where it is known. Anonymous requests that look like nothing else are S3's."""
    headers = request.headers
    if signing_name == "s3":
        return Family.S3
    if signing_name == "ec2":
        return Family.EC2
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        return Family.CBOR
    if "x-amz-target" in headers or headers.get("content-type", "").startswith("application/x-amz-json"):
        return Family.JSON
    if signing_name in _QUERY_SIGNERS or headers.get("content-type", "").startswith(_FORM) or _has_action(request.query):
        return Family.QUERY
    return Family.REST if signing_name or request.path.startswith(_REST_PATHS) else Family.S3


def _has_action(query: str) -> bool:
    return query.startswith("Action=") or "&Action=" in query
