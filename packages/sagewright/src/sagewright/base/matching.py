"""The alternatives of a match list, as AWS's services write them: a plain value, or an object with one operator.

EventBridge user guide, eb-create-pattern-operators; SNS developer guide, sns-subscription-filter-policies.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Test = Callable[[Any], bool]
"""Whether a value matches; ``ABSENT`` stands for no value."""
ABSENT = object()
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class BadMatchError(ValueError):
    """What is no match expression; the text says why, in AWS's words."""


def alternatives(name: str, wanted: Any) -> list[Test]:
    """Those of the list ``wanted``, which the member ``name`` of a pattern holds. Raises BadMatchError."""
    if not isinstance(wanted, list):
        raise BadMatchError(f'"{name}" must be an object or an array')
    if not wanted:
        raise BadMatchError("Empty arrays are not allowed")
    return [_alternative(item) for item in wanted]


def _alternative(wanted: Any) -> Test:
    """One of a list: a plain value, or an object with one operator."""
    if isinstance(wanted, list):
        raise BadMatchError("An array in an array is not allowed")
    if not isinstance(wanted, dict):
        return lambda value: _equal(value, wanted)
    if len(wanted) != 1:
        raise BadMatchError("Only one key allowed in match expression")
    ((operator, operand),) = wanted.items()
    make = _OPERATORS.get(operator)
    if make is None:
        raise BadMatchError(f"Unrecognized match type {operator}")
    return make(operand)


def _equal(value: Any, wanted: Any) -> bool:
    """true is no 1, and a number no text."""
    if value is ABSENT or isinstance(value, bool) != isinstance(wanted, bool):
        return False
    return bool(value == wanted)


def _exists(operand: Any) -> Test:
    if not isinstance(operand, bool):
        raise BadMatchError("match type exists must be either true or false")
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
        raise BadMatchError("Consecutive wildcard characters")
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
            raise BadMatchError("Unsupported anything-but pattern")
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
        raise BadMatchError("Bad numeric range operator")

    def matches(value: Any) -> bool:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        return known and all(_COMPARISONS[sign](value, bound) for sign, bound in pairs)

    return matches


def _cidr(operand: Any) -> Test:
    try:
        network = ipaddress.ip_network(_text(operand, "cidr"), strict=False)
    except ValueError as error:
        raise BadMatchError(f"Malformed CIDR: {error}") from error

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
        raise BadMatchError(f"{operator} match pattern must be a string")
    return operand


def _only(operand: Mapping[str, Any], name: str) -> Any:
    if set(operand) != {name}:
        raise BadMatchError(f"Only {name} is allowed here")
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
