"""Inference payloads as words or sentences: ``{"instances": […], "configuration": {"k": 2}}``, or a line ``{"source": …, "k": 2}``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

JSON, JSON_LINES = "application/json", "application/jsonlines"
_BREAKS = str.maketrans("\r\n", "  ")


class UnreadablePayloadError(ValueError):
    """The payload is not what its content type says."""


@dataclass(frozen=True, slots=True)
class Question:
    """``count``: how many labels are wanted at most."""

    text: str
    count: int = 1


def read(body: bytes, content_type: str) -> list[Question]:
    """At least one. Raises UnreadablePayloadError."""
    try:
        found = (
            _instances(orjson.loads(body))
            if content_type == JSON
            else [_line(line) for line in body.splitlines() if line.strip()]
        )
    except orjson.JSONDecodeError as error:
        raise UnreadablePayloadError(str(error)) from error
    if not found:
        raise UnreadablePayloadError("it holds no records")
    return found


def _instances(document: Any) -> list[Question]:
    instances = document.get("instances") if isinstance(document, dict) else None
    if not isinstance(instances, list):
        raise UnreadablePayloadError('JSON needs the form {"instances": ["a text"], "configuration": {"k": 1}}')
    configuration = document.get("configuration") or {}
    if not isinstance(configuration, dict):
        raise UnreadablePayloadError('"configuration" is not a JSON object')
    return [_question(item, configuration.get("k", 1)) for item in instances]


def _line(line: bytes) -> Question:
    document = orjson.loads(line)
    if not isinstance(document, dict) or "source" not in document:
        raise UnreadablePayloadError('a line needs the form {"source": "a text", "k": 1}')
    return _question(document["source"], document.get("k", 1))


def _question(text: Any, count: Any) -> Question:
    if not isinstance(text, str):
        raise UnreadablePayloadError("an instance is not a text")
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise UnreadablePayloadError("k is not a positive integer")
    return Question(text.translate(_BREAKS), count)
