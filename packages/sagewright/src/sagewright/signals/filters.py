"""Filter policies of topic subscriptions, on message attributes: exact values, prefix, suffix, anything-but, exists, numeric.

SNS developer guide, sns-subscription-filter-policies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class BadPolicyError(ValueError):
    """The text is no filter policy; the message is AWS's, after ``Invalid parameter: FilterPolicy: ``."""


def check(text: str) -> None:
    """Raises BadPolicyError."""
    try:
        policy = json.loads(text)
    except ValueError:
        raise BadPolicyError("failed to parse JSON.") from None
    if not isinstance(policy, dict):
        raise BadPolicyError("Filter policy must be an object")
    for name, rules in policy.items():
        if not isinstance(rules, list) or not rules:
            raise BadPolicyError(f'"{name}" must be an object or an array')
        for rule in rules:
            _check_rule(rule)


def passes(policy: Mapping[str, Any], attributes: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether every name of the policy is met by one of its rules. ``attributes`` by name: DataType, StringValue or BinaryValue."""
    return all(any(_meets(rule, _values(attributes.get(name))) for rule in rules) for name, rules in policy.items())


def _check_rule(rule: Any) -> None:
    if not isinstance(rule, dict):
        return
    if len(rule) != 1:
        raise BadPolicyError("Only one key allowed in match expression")
    (kind, value), *_ = rule.items()
    if kind not in ("prefix", "suffix", "anything-but", "exists", "numeric"):
        raise BadPolicyError(f"Unrecognized match type {kind}")
    wrong = kind == "numeric" and (
        not isinstance(value, list) or len(value) % 2 or any(sign not in COMPARISONS for sign in value[::2])
    )
    if wrong:
        raise BadPolicyError("Invalid numeric match")


def _values(attribute: Mapping[str, str] | None) -> list[Any]:
    """What an attribute holds: numbers as numbers, ``String.Array`` as its elements; binary is not looked at."""
    if attribute is None:
        return []
    kind, text = attribute["DataType"], attribute.get("StringValue", "")
    if kind == "String.Array":
        return list(json.loads(text))
    if kind.startswith("Number"):
        return [float(text)]
    return [text] if kind.startswith("String") else [None]


def _meets(rule: Any, values: list[Any]) -> bool:
    if isinstance(rule, dict):
        (kind, operand), *_ = rule.items()
        if kind == "exists":
            return bool(values) is bool(operand)
        return any(_matches(kind, operand, value) for value in values)
    return any(value == rule for value in values)


def _matches(kind: str, operand: Any, value: Any) -> bool:
    if kind == "anything-but":
        if isinstance(operand, dict):
            return not _meets(operand, [value])
        return value not in (operand if isinstance(operand, list) else [operand])
    if kind == "numeric":
        pairs = zip(operand[::2], operand[1::2], strict=True)
        return isinstance(value, float) and all(COMPARISONS[sign](value, float(bound)) for sign, bound in pairs)
    if not isinstance(value, str):
        return False
    return value.startswith(operand) if kind == "prefix" else value.endswith(operand)
