"""Scalars that travel as text: in headers, paths, query strings and forms."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sagewright.wire.documents import epoch_of_text, http_date, iso8601, malformed
from sagewright.wire.model import Shape

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def text_reader(shape: Shape) -> Callable[[str], Any]:
    """Reads a scalar of ``shape``; raises a SerializationException for text that is not one. Blobs stay base64 text."""
    return _READERS.get(shape.type_name, str)


def text_writer(shape: Shape, timestamp_format: str) -> Callable[[Any], str]:
    """Writes a scalar of ``shape``; ``timestamp_format`` (iso8601, rfc822, unixTimestamp) is used where the shape names none."""
    if shape.type_name == "boolean":
        return lambda value: "true" if value else "false"
    if shape.type_name == "timestamp":
        return _TIMESTAMP_WRITERS[shape.serialization.get("timestampFormat", timestamp_format)]
    return str


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise malformed("STRING_VALUE cannot be converted to Boolean")
    return text.lower() == "true"


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise malformed("STRING_VALUE cannot be converted to Integer")
    return int(text)


def _float(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise malformed("STRING_VALUE cannot be converted to Double")
    return float(text)


def _unix_timestamp(seconds: float) -> str:
    return str(int(seconds)) if float(seconds).is_integer() else f"{seconds:.3f}"


_READERS: dict[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "timestamp": epoch_of_text,
}
_TIMESTAMP_WRITERS: dict[str, Callable[[Any], str]] = {
    "iso8601": iso8601,
    "rfc822": http_date,
    "unixTimestamp": _unix_timestamp,
}
