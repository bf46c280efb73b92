"""Event patterns: which events a rule is about (EventBridge user guide, eb-create-pattern-operators).

A pattern is a JSON object like the event: where it has an object the event must have one that matches, where it has a list one
of the list's alternatives must match the event's value, or one of its values if it is a list.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

Test = Callable[[Any], bool]
"""Whether a value matches; ``ABSENT`` stands for no value."""
ABSENT = object()
MOST_CHARACTERS = 4096
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class BadPatternError(ValueError):
    """The text is no event pattern."""


def compile_pattern(text: str) -> Test:
    """From a JSON text. Raises BadPatternError."""
    try:
        pattern = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadPatternError(f"Event pattern is not valid. Reason: {error}") from error
    if not isinstance(pattern, dict) or not pattern:
        raise BadPatternError("Event pattern is not valid. Reason: Filter is not an object")
    return _object(pattern)


def _object(pattern: Mapping[str, Any]) -> Test:
    if not pattern:
        raise BadPatternError("Event pattern is not valid. Reason: Empty objects are not allowed")
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
        raise BadPatternError('Event pattern is not valid. Reason: "$or" must be an array of at least two objects')
    return list(found)


def _member(name: str, wanted: Any) -> Test:
    if isinstance(wanted, dict):
        return _object(wanted)
    if not isinstance(wanted, list):
        raise BadPatternError(f'Event pattern is not valid. Reason: "{name}" must be an object or an array')
    if not wanted:
        raise BadPatternError("Event pattern is not valid. Reason: Empty arrays are not allowed")
    alternatives = [_alternative(item) for item in wanted]

    def matches(value: Any) -> bool:
        values = value if isinstance(value, list) and value else [value]
        return any(test(item) for item in values for test in alternatives)

    return matches


def _alternative(wanted: Any) -> Test:
    """One of a list: a plain value, or an object with one operator."""
    if isinstance(wanted, list):
        raise BadPatternError("Event pattern is not valid. Reason: An array in an array is not allowed")
    if not isinstance(wanted, dict):
        return lambda value: _equal(value, wanted)
    if len(wanted) != 1:
        raise BadPatternError("Event pattern is not valid. Reason: Only one key allowed in match expression")
    ((operator, operand),) = wanted.items()
    make = _OPERATORS.get(operator)
    if make is None:
        raise BadPatternError(f"Event pattern is not valid. Reason: Unrecognized match type {operator}")
    return make(operand)


def _equal(value: Any, wanted: Any) -> bool:
    """true is no 1, and a number no text."""
    if value is ABSENT or isinstance(value, bool) != isinstance(wanted, bool):
        return False
    return bool(value == wanted)


def _exists(operand: Any) -> Test:
    if not isinstance(operand, bool):
        raise BadPatternError("Event pattern is not valid. Reason: match type exists must be either true or false")
    return lambda value: (value is not ABSENT) is operand


def _prefix(operand: Any) -> Test:
    if isinstance(operand, dict):
        start = _text(_only(operand, "equals-ignore-case"), "prefix").lower()
        return lambda value: isinstance(value, str) and value.lower().startswith(start)
    start = _text(operand, "prefix")
    return lambda value: isinstance(value, str) and value.startswith(start)


def _suffix(operand: Any) -> Test:
    if isinstance(operand, dict):
        end = _text(_only(operand, "equals-ignore-case"), "suffix").lower()
        return lambda value: isinstance(value, str) and value.lower().endswith(end)
    end = _text(operand, "suffix")
    return lambda value: isinstance(value, str) and value.endswith(end)


def _ignore_case(operand: Any) -> Test:
    wanted = _text(operand, "equals-ignore-case").lower()
    return lambda value: isinstance(value, str) and value.lower() == wanted


def _wildcard(operand: Any) -> Test:
    text = _text(operand, "wildcard")
    if "**" in text:
        raise BadPatternError("Event pattern is not valid. Reason: Consecutive wildcard characters")
    parts = text.split("*")
    return lambda value: isinstance(value, str) and (value == text if len(parts) == 1 else _in_order(value, parts))


def _in_order(value: str, parts: Sequence[str]) -> bool:
    """Whether the text begins and ends with the outer parts and has the others between them, each after the one before.

    The first place that fits is as good as any, so nothing is tried twice, as a regular expression would.
    """
    first, *middle, last = parts
    if len(value) < len(first) + len(last) or not value.startswith(first) or not value.endswith(last):
        return False
    place, end = len(first), len(value) - len(last)
    for part in middle:
        found = value.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _anything_but(operand: Any) -> Test:
    if isinstance(operand, dict):
        tests = [_OPERATORS[name](item) for name, one in operand.items() if name in _NEGATED for item in _listed(one)]
        if len(operand) != 1 or not tests:
            raise BadPatternError("Event pattern is not valid. Reason: Unsupported anything-but pattern")
    else:
        tests = [_alternative(item) for item in _listed(operand)]
    return lambda value: value is not ABSENT and not any(test(value) for test in tests)


def _numeric(operand: Any) -> Test:
    bounds = list(operand) if isinstance(operand, list) else []
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    good = len(bounds) in (2, 4) and all(
        sign in _COMPARISONS and isinstance(bound, int | float) and not isinstance(bound, bool) for sign, bound in pairs
    )
    if not good:
        raise BadPatternError("Event pattern is not valid. Reason: Bad numeric range operator")

    def matches(value: Any) -> bool:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        return known and all(_COMPARISONS[sign](value, bound) for sign, bound in pairs)

    return matches


def _cidr(operand: Any) -> Test:
    try:
        network = ipaddress.ip_network(_text(operand, "cidr"), strict=False)
    except ValueError as error:
        raise BadPatternError(f"Event pattern is not valid. Reason: Malformed CIDR: {error}") from error

    def matches(value: Any) -> bool:
        try:
            return isinstance(value, str) and ipaddress.ip_address(value) in network
        except ValueError:
            return False

    return matches


def _listed(operand: Any) -> list[Any]:
    return operand if isinstance(operand, list) and operand else [operand]


def _text(operand: Any, operator: str) -> str:
    if not isinstance(operand, str):
        raise BadPatternError(f"Event pattern is not valid. Reason: {operator} match pattern must be a string")
    return operand


def _only(operand: Mapping[str, Any], name: str) -> Any:
    if set(operand) != {name}:
        raise BadPatternError(f"Event pattern is not valid. Reason: Only {name} is allowed here")
    return operand[name]


_NEGATED = frozenset({"prefix", "suffix", "equals-ignore-case", "wildcard"})
_OPERATORS: Mapping[str, Callable[[Any], Test]] = {
    "exists": _exists,
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _ignore_case,
    "wildcard": _wildcard,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "cidr": _cidr,
}
