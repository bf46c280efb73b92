"""Names, ARNs, unique ids and documents of IAM."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from urllib.parse import quote

import orjson

from sagewright.base.world import World
from sagewright.wire.errors import Fault


def world_of(account: str) -> World:
    """IAM belongs to no region."""
    return World(account, "aws-global")


def unique_id(prefix: str, of: str) -> str:
    """An id in AWS's form, 21 capital letters and digits, that follows from ``of``; the same when a thing is made again."""
    return prefix + base64.b32encode(hashlib.sha256(of.encode()).digest()).decode()[:17]


def role_id(account: str, name: str) -> str:
    """The unique id of a role."""
    return unique_id("AROA", f"{account}/{name}")


def checked_document(text: str) -> str:
    """A policy document as it came; raises MalformedPolicyDocument when it is not a JSON object with statements."""
    try:
        document: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Fault("MalformedPolicyDocument", "This policy contains invalid Json") from None
    if not isinstance(document, dict) or "Statement" not in document:
        raise Fault("MalformedPolicyDocument", "Syntax errors in policy.")
    return text


def encoded(document: str) -> str:
    """A policy document as IAM answers it: percent-encoded (API reference, GetRole: "URL-encoded compliant with RFC 3986")."""
    return quote(document, safe="")


def no_such_entity(what: str) -> Fault:
    """NoSuchEntity, HTTP 404."""
    return Fault("NoSuchEntity", what, 404)


def tags_of(listed: list[dict[str, str]]) -> dict[str, str]:
    """Tags as a mapping; raises InvalidInput when a key comes twice."""
    tags = {tag["Key"]: tag["Value"] for tag in listed}
    if len(tags) != len(listed):
        raise Fault("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    return tags


def refuse_many(tags: dict[str, str]) -> None:
    """IAM allows 50 tags."""
    if len(tags) > 50:
        raise Fault("LimitExceeded", "The number of tags has reached the maximum limit.", 409)
