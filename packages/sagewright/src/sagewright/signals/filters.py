"""Filter policies of topic subscriptions, on message attributes.

SNS developer guide, sns-subscription-filter-policies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sagewright.base.matching import ABSENT, BadMatchError, Test, alternatives


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
    try:
        for name, rules in policy.items():
            alternatives(name, rules)
    except BadMatchError as problem:
        raise BadPolicyError(str(problem)) from problem


def passes(policy: Mapping[str, Any], attributes: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether every name of the policy is met by one of its rules. ``attributes`` by name: DataType, StringValue or BinaryValue."""
    return all(_met(alternatives(name, rules), _values(attributes.get(name))) for name, rules in policy.items())


def _met(tests: Sequence[Test], values: Sequence[Any]) -> bool:
    return any(test(value) for test in tests for value in values or [ABSENT])


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
