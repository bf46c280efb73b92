"""Values made from the service model: valid ones, small or with every member, and one wrong value for each rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sagewright.wire import patterns
from sagewright.wire.model import Shape

parser = re._parser  # type: ignore[attr-defined]  # how Python itself reads a pattern

MOMENT = 1_700_000_000.0

_BY_HAND = {
    r"((25[0-5]|(2[0-4]|1\d|[1-9]|)\d)\.?\b){4}": "10.0.0.1",
    r"ip-((25[0-5]|(2[0-4]|1\d|[1-9]|)\d)-?\b){4}\..*": "ip-10-0-0-1.ec2.internal",
}
"""Patterns whose word boundaries the generator does not understand."""


def sample(shape: Shape, full: bool = False, above: tuple[str, ...] = ()) -> Any:
    """A valid document of ``shape``: only what is required, or every member (a recursive one only once)."""
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, full, above)
    if kind == "list":
        return [sample(shape.member, full, above)] * max(1, shape.metadata.get("min", 1))
    if kind == "map":
        count = max(1, shape.metadata.get("min", 1))
        return {_distinct(shape.key, number): sample(shape.value, full, above) for number in range(count)}
    return _scalar(shape)


def client_value(shape: Shape, value: Any) -> Any:
    """The same value as a botocore client wants it: datetimes and bytes."""
    if shape.type_name == "structure":
        return {name: client_value(shape.members[name], item) for name, item in value.items()}
    if shape.type_name == "list":
        return [client_value(shape.member, item) for item in value]
    if shape.type_name == "map":
        return {key: client_value(shape.value, item) for key, item in value.items()}
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(value, UTC)
    if shape.type_name == "blob":
        return value if isinstance(value, bytes) else b"abc"
    return value


def wrong_values(shape: Shape) -> Iterator[tuple[str, Any]]:
    """One value for each constraint of a shape that violates it, with a part of the message that must come."""
    rules, kind = shape.metadata, shape.type_name
    if kind == "string":
        if rules.get("enum"):
            yield "Member must satisfy enum value set", "no such value"
        if "max" in rules:
            yield f"Member must have length less than or equal to {rules['max']}", "a" * (rules["max"] + 1)
        if rules.get("min", 0) > 0:
            yield f"Member must have length greater than or equal to {rules['min']}", ""
        if "pattern" in rules and not patterns.matcher(rules["pattern"])("\x01"):
            yield "Member must satisfy regular expression pattern", "\x01"
    elif kind in ("integer", "long", "float", "double"):
        if "max" in rules and rules["max"] < 2**31 - 1:
            yield f"Member must have value less than or equal to {rules['max']}", rules["max"] + 1
        if "min" in rules and rules["min"] > -(2**31):
            yield f"Member must have value greater than or equal to {rules['min']}", rules["min"] - 1
    elif kind == "list":
        if rules.get("min", 0) > 0:
            yield f"Member must have length greater than or equal to {rules['min']}", []
        if "max" in rules:
            yield f"Member must have length less than or equal to {rules['max']}", [sample(shape.member)] * (rules["max"] + 1)
    elif kind == "map":
        if rules.get("min", 0) > 0:
            yield f"Member must have length greater than or equal to {rules['min']}", {}
    elif kind == "structure":
        for name in shape.required_members:
            if not rules.get("union"):
                value = sample(shape)
                del value[name]
                yield "Member must not be null", value


def mistyped_value(shape: Shape) -> Any:
    """A value of a type the shape does not have."""
    return 1 if shape.type_name in ("structure", "list", "map", "string", "boolean", "blob") else "x"


@cache
def text_matching(pattern: str, least: int, most: int) -> str:
    """A text that a Java pattern matches and that has the right length."""
    if pattern in _BY_HAND:
        return _BY_HAND[pattern]
    tree = parser.parse(patterns.translate(pattern, 0x80))
    for first in (True, False):
        for repetitions in (0, 1, 2, 3, 5, 8, 12, 20, 32, 36, 64, least, most):
            text = "".join(_text(tree, repetitions, first))
            for candidate in (text, text[:most]):
                if least <= len(candidate) <= most and patterns.matcher(pattern)(candidate):
                    return candidate
    raise AssertionError(f"no sample for {pattern!r} of {least} to {most} characters")


def _structure(shape: Shape, full: bool, above: tuple[str, ...]) -> dict[str, Any]:
    if shape.metadata.get("union"):
        names = [name for name, member in shape.members.items() if member.name not in above][:1]
    else:
        names = list(shape.required_members)
        if full and shape.name not in above:
            names = [
                name for name, member in shape.members.items() if name in names or not _recursive(member, (*above, shape.name))
            ]
    document = {name: sample(shape.members[name], full, (*above, shape.name)) for name in names}
    payload = shape.serialization.get("payload")
    return document | {payload: b"abc"} if payload and shape.members[payload].type_name == "blob" else document


def _recursive(shape: Shape, above: tuple[str, ...]) -> bool:
    while shape.type_name in ("list", "map"):
        shape = shape.member if shape.type_name == "list" else shape.value
    return shape.name in above


def _distinct(shape: Shape, number: int) -> str:
    if shape.metadata.get("enum"):
        return str(shape.enum[number])
    return str(sample(shape)) + ("" if number == 0 else str(number))


def _scalar(shape: Shape) -> Any:
    rules = shape.metadata
    if shape.type_name in ("string", "character"):
        return _string(rules)
    if shape.type_name in ("integer", "long"):
        return int(rules.get("min", min(1, rules.get("max", 1))))
    if shape.type_name in ("float", "double"):
        return float(rules.get("min", 0.5))
    if shape.type_name == "timestamp":
        return MOMENT
    return "YWJj" if shape.type_name == "blob" else True


def _string(rules: dict[str, Any]) -> str:
    if rules.get("enum"):
        return str(rules["enum"][0])
    least, most = max(rules.get("min", 1), min(1, rules.get("max", 1))), rules.get("max", 200)
    if "pattern" in rules:
        return text_matching(rules["pattern"], rules.get("min", 0), most)
    return "a" * least


def _text(tree: Any, repetitions: int, first: bool) -> Iterator[str]:
    for operator, argument in tree:
        name = str(operator)
        if name == "LITERAL":
            yield chr(argument)
        elif name == "IN":
            yield _member(argument, first)
        elif name == "ANY":
            yield "a"
        elif name == "SUBPATTERN":
            yield from _text(argument[3], repetitions, first)
        elif name == "BRANCH":
            yield from _text(argument[1][0 if first else -1], repetitions, first)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, item = argument
            for _ in range(max(low, min(repetitions, 1024 if high == parser.MAXREPEAT else int(high)))):
                yield from _text(item, min(repetitions, 3), first)


def _member(items: Any, first: bool) -> str:
    ranges = [(value, value) if str(kind) == "LITERAL" else value for kind, value in items]
    for preferred in "a1A" if first else "1aA":
        if any(low <= ord(preferred) <= high for low, high in ranges):
            return preferred
    return chr(next(low for low, _ in ranges if low >= 0x20) if any(low >= 0x20 for low, _ in ranges) else ranges[0][0])
