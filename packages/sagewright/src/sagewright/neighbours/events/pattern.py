"""Event patterns: which events a rule is about (EventBridge user guide, eb-create-pattern-operators).

A pattern is a JSON object like the event: where it has an object the event must have one that matches, where it has a list one
of the list's alternatives must match the event's value, or one of its values if it is a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from sagewright.base.matching import ABSENT, BadMatchError, Test, alternatives

MOST_CHARACTERS = 4096


class BadPatternError(ValueError):
    """The text is no event pattern."""


def compile_pattern(text: str) -> Test:
    """From a JSON text. Raises BadPatternError."""
    try:
        pattern = orjson.loads(text)
        if not isinstance(pattern, dict) or not pattern:
            raise BadMatchError("Filter is not an object")
        return _object(pattern)
    except (orjson.JSONDecodeError, BadMatchError) as error:
        raise BadPatternError(f"Event pattern is not valid. Reason: {error}") from error


def _object(pattern: Mapping[str, Any]) -> Test:
    if not pattern:
        raise BadMatchError("Empty objects are not allowed")
    tests = [(name, _member(name, wanted)) for name, wanted in pattern.items() if name != "$or"]
    choices = [_object(choice) for choice in _choices(pattern)]

    def matches(value: Any) -> bool:
        if isinstance(value, list):
            return any(matches(item) for item in value)
        known = value if isinstance(value, Mapping) else {}
        return all(test(known.get(name, ABSENT)) for name, test in tests) and (
            not choices or any(choice(known) for choice in choices)
        )

    return matches


def _choices(pattern: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = pattern.get("$or", [])
    if "$or" in pattern and (
        not isinstance(found, list) or len(found) < 2 or not all(isinstance(item, dict) for item in found)
    ):
        raise BadMatchError('"$or" must be an array of at least two objects')
    return list(found)


def _member(name: str, wanted: Any) -> Test:
    if isinstance(wanted, dict):
        return _object(wanted)
    tests = alternatives(name, wanted)

    def matches(value: Any) -> bool:
        values = value if isinstance(value, list) and value else [value]
        return any(test(item) for item in values for test in tests)

    return matches
