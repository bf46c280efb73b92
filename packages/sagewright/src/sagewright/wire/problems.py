"""AWS's wording of what is wrong with a request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sagewright.wire.errors import Fault, validation

MOST_SHOWN = 20
LONGEST_VALUE = 256

NOT_NULL = "Member must not be null"


@dataclass(frozen=True, slots=True)
class Problem:
    """One violated constraint. ``where`` is the path from the value that was checked; ``shown`` the value as AWS prints it.

    ``whole`` is the complete text where AWS's sentence does not fit.
    """

    where: tuple[str, ...]
    shown: str
    constraint: str
    whole: str = ""

    def below(self, *steps: str) -> Problem:
        """The same problem seen from further up."""
        return Problem((*steps, *self.where), self.shown, self.constraint, self.whole)

    def __str__(self) -> str:
        path = ".".join(self.where)
        if self.whole:
            return f"{self.whole} at '{path}'" if path else self.whole
        return f"{self.shown} at '{path}' failed to satisfy constraint: {self.constraint}"


def refusal(problems: list[Problem]) -> Fault:
    """``2 validation errors detected: Value 'x' at 'path' failed to satisfy constraint: ...; ...``"""
    count = len(problems)
    text = "; ".join(str(problem) for problem in problems[:MOST_SHOWN])
    more = "; ..." if count > MOST_SHOWN else ""
    return validation(f"{count} validation error{'s' if count != 1 else ''} detected: {text}{more}")


def shown(value: Any, sensitive: bool = False) -> str:
    """``Value 'x'``, ``Value null``, or ``Value`` alone for a sensitive shape."""
    if value is None:
        return "Value null"
    return "Value" if sensitive else f"Value '{_cut(_as_java(value))}'"


def member_step(name: str) -> str:
    """AWS names a member like a Java property: only the first letter goes down (``DBName`` is ``dBName``)."""
    return name[:1].lower() + name[1:]


def at_most(kind: str, bound: int | float) -> str:
    """``kind`` is length or value."""
    return f"Member must have {kind} less than or equal to {bound}"


def at_least(kind: str, bound: int | float) -> str:
    """``kind`` is length or value."""
    return f"Member must have {kind} greater than or equal to {bound}"


def one_of(values: Iterable[str]) -> str:
    """The constraint of an enumeration."""
    return f"Member must satisfy enum value set: [{', '.join(values)}]"


def matching(pattern: str) -> str:
    """The constraint of a pattern."""
    return f"Member must satisfy regular expression pattern: {pattern}"


def mistyped(value: Any, target: str) -> Fault:
    """The fault for a value of the wrong JSON type; AWS finds it while reading, before any constraint is looked at."""
    if isinstance(value, dict):
        return Fault("SerializationException", "Start of structure or map found where not expected.")
    if isinstance(value, list):
        return Fault("SerializationException", "Start of list found where not expected")
    if target in ("list", "map", "structure"):
        return Fault("SerializationException", "Expected list or null" if target == "list" else "Unexpected field type")
    return Fault("SerializationException", f"{_token(value)} cannot be converted to {target[:1].upper()}{target[1:]}")


def _token(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if isinstance(value, int | float):
        return "NUMBER_VALUE"
    return "STRING_VALUE" if isinstance(value, str) else "BINARY_VALUE"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


def _as_java(value: Any) -> str:
    """As Java's toString prints it; a container only as far as it will be shown."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + _some(f"{key}={_as_java(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + _some(_as_java(item) for item in value) + "]"
    return str(value)


def _some(texts: Iterable[str]) -> str:
    parts, length = [], 0
    for text in texts:
        parts.append(text)
        length += len(text)
        if length > LONGEST_VALUE:
            break
    return ", ".join(parts)
