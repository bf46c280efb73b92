"""Attributes of messages: their limits and their digest, by which clients prove that nothing was lost (SQS developer guide)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from sagewright.wire.errors import Fault

MOST = 10
_NAME = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)")
_TYPE = re.compile(r"(String|Number|Binary)(\..+)?")

Attributes = Mapping[str, Mapping[str, Any]]


def check(attributes: Attributes) -> None:
    """Raises Fault."""
    if len(attributes) > MOST:
        raise Fault(
            "InvalidParameterValue", f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{MOST}]."
        )
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            raise Fault("InvalidParameterValue", f"The message attribute name '{name}' is invalid.")
        kind = _TYPE.fullmatch(value.get("DataType", ""))
        member = "BinaryValue" if kind and kind[1] == "Binary" else "StringValue"
        if kind is None or not value.get(member):
            raise Fault("InvalidParameterValue", f"The message attribute '{name}' must contain a non-empty value of its type.")


def size(attributes: Attributes) -> int:
    """Bytes that count against the size of a message."""
    return sum(len(part) for name, value in attributes.items() for part in _parts(name, value))


def digest(attributes: Attributes) -> str:
    """MD5OfMessageAttributes: names in order; each name, type and value with its length before it."""
    hashed = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        label, kind, content = _parts(name, attributes[name])
        for part in (label, kind):
            hashed.update(len(part).to_bytes(4, "big") + part)
        hashed.update(b"\x02" if "BinaryValue" in attributes[name] else b"\x01")
        hashed.update(len(content).to_bytes(4, "big") + content)
    return hashed.hexdigest()


def wanted(attributes: Attributes, names: list[str]) -> dict[str, Any]:
    """Those that a receiver asks for: by name, by ``prefix.*``, or ``All``."""
    if "All" in names or ".*" in names:
        return dict(attributes)
    prefixes = tuple(name[:-1] for name in names if name.endswith(".*"))
    return {name: value for name, value in attributes.items() if name in names or (prefixes and name.startswith(prefixes))}


def _parts(name: str, value: Mapping[str, Any]) -> tuple[bytes, bytes, bytes]:
    binary = "BinaryValue" in value
    content = base64.b64decode(value["BinaryValue"]) if binary else str(value.get("StringValue", "")).encode()
    return name.encode(), str(value["DataType"]).encode(), content
