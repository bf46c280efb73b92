"""Requests made from the service model: the smallest valid one, and one with every member.

Text follows the pattern of its shape, by walking Python's parse of the translated pattern with a seeded random, so that runs repeat.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from sagewright.wire.patterns import matcher, translate

ROLE = "arn:aws:iam::123456789012:role/service-role/SageMaker"
LIKELY = (
    "abc",
    "a1",
    "1",
    "1.0",
    "ab",
    ROLE,
    "s3://bucket/key",
    "https://example.com/x",
    "arn:aws:sagemaker:us-east-1:999999999999:x/y",
)
ASCII = [chr(code) for code in range(33, 127)]


class Requests:
    """Makes requests; ``fixed`` gives the value of members by name wherever they occur."""

    def __init__(self, seed: int = 7, fixed: Mapping[str, Any] | None = None) -> None:
        self._random = random.Random(seed)
        self._fixed = dict(fixed or {})

    def make(self, shape: Any, full: bool = False) -> dict[str, Any]:
        """A valid document of an input shape."""
        return self._structure(shape, full, ()) if shape is not None else {}

    def _value(self, shape: Any, full: bool, above: tuple[str, ...]) -> Any:
        kind = shape.type_name
        if kind == "structure":
            return self._structure(shape, full, above)
        if kind == "list":
            return [self._value(shape.member, full, above) for _ in range(max(1, shape.metadata.get("min", 1)))]
        if kind == "map":
            return {self._value(shape.key, full, above): self._value(shape.value, full, above)}
        if kind == "string":
            return self._text(shape)
        return {
            "integer": _number(shape, int),
            "long": _number(shape, int),
            "float": _number(shape, float),
            "double": _number(shape, float),
            "boolean": True,
            "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
            "blob": b"x",
        }[kind]

    def _structure(self, shape: Any, full: bool, above: tuple[str, ...]) -> dict[str, Any]:
        if getattr(shape, "is_tagged_union", False):
            wanted = list(shape.members)[:1]
        else:
            wanted = (
                list(shape.members) if full and shape.name not in above and len(above) < 6 else list(shape.required_members)
            )
        inside = (*above, shape.name)
        return {name: self._fixed.get(name, None) or self._value(shape.members[name], full, inside) for name in wanted}

    def _text(self, shape: Any) -> str:
        if shape.enum:
            return str(shape.enum[0])
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
        pattern = shape.metadata.get("pattern")
        if pattern is None:
            return "x" * max(low, 1)
        fits = matcher(pattern)
        for text in self._candidates(pattern):
            if low <= len(text) <= high and fits(text):
                return text
        raise ValueError(f"no text found for {shape.name}: {pattern}")

    def _candidates(self, pattern: str) -> Iterator[str]:
        yield from LIKELY
        tree = parser.parse(translate(pattern, 128), re.ASCII)
        for attempt in range(400):
            yield self._generate(tree, 1 + attempt % 40)

    def _generate(self, tree: Any, most: int) -> str:
        return "".join(self._token(code, argument, most) for code, argument in tree)

    def _token(self, code: Any, argument: Any, most: int) -> str:
        if code is codes.LITERAL:
            return chr(argument)
        if code is codes.IN:
            return self._random.choice(_members(argument))
        if code in (codes.ANY, codes.NOT_LITERAL):
            return "a"
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            low, high, inner = argument
            times = self._random.randint(low, max(low, min(high, low + most)))
            return "".join(self._generate(inner, most) for _ in range(times))
        if code is codes.BRANCH:
            return self._generate(self._random.choice(argument[1]), most)
        if code is codes.SUBPATTERN:
            return self._generate(argument[3], most)
        if code is codes.ATOMIC_GROUP:
            return self._generate(argument, most)
        return ""


def _members(choices: Any) -> list[str]:
    if choices and choices[0][0] is codes.NEGATE:
        excluded = set(_members(choices[1:]))
        return [character for character in ASCII if character not in excluded]
    found: list[str] = []
    for code, argument in choices:
        if code is codes.LITERAL:
            found.append(chr(argument))
        elif code is codes.RANGE:
            found.extend(chr(number) for number in range(argument[0], min(argument[1], 126) + 1))
    letters = [character for character in found if character.isalnum()]
    return letters or found


def _number(shape: Any, number: type) -> Any:
    low, high = shape.metadata.get("min", 1), shape.metadata.get("max", 1 << 30)
    return number(min(max(low, 1), high))
