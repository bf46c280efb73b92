"""Search expressions: filters, nested filters and subexpressions over a document, as Search's reference describes them.

A filter's name is a path: members joined by dots, list items any of which may match, ``Tags.<key>`` for a tag's value, ``Metrics.<name>``
and ``Parameters.<name>`` for entries found by name. Values come as text and are compared as numbers or times where the document has such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sagewright.store.rows import Document
from sagewright.wire.errors import validation

Test = Callable[[Any, str], bool]

_KEYED_BY = ("Key", "MetricName")
_WRAPPED = ("StringValue", "NumberValue")


def matches(expression: Mapping[str, Any] | None, document: Document) -> bool:
    """Whether a document satisfies a SearchExpression; an empty one is satisfied by everything."""
    if not expression:
        return True
    results = [
        *(_filter(item, document) for item in expression.get("Filters", ())),
        *(_nested(item, document) for item in expression.get("NestedFilters", ())),
        *(matches(item, document) for item in expression.get("SubExpressions", ())),
    ]
    if not results:
        return True
    return any(results) if expression.get("Operator") == "Or" else all(results)


def check(expression: Mapping[str, Any] | None) -> None:
    """Raises Fault for an operator without its value; the model cannot say which operators need one."""
    if not expression:
        return
    nested = [item for group in expression.get("NestedFilters", ()) for item in group["Filters"]]
    for item in [*expression.get("Filters", ()), *nested]:
        if item.get("Operator", "Equals") not in ("Exists", "NotExists") and "Value" not in item:
            raise validation(
                f"Value is required for the operator {item.get('Operator', 'Equals')} of the filter {item['Name']}."
            )
    for inner in expression.get("SubExpressions", ()):
        check(inner)


def mentions(expression: Mapping[str, Any] | None, member: str) -> bool:
    """Whether any filter's path begins with a member."""
    return member in str(expression) if expression else False


def values(document: Any, path: str) -> list[Any]:
    """All values at a path; see the module docstring."""
    if isinstance(document, list):
        keyed = [_entry(item, path) for item in document]
        return [value for found in keyed for value in found]
    if not isinstance(document, Mapping):
        return []
    if path in document:
        return _unwrapped(document[path])
    step, dot, rest = path.partition(".")
    return values(document[step], rest) if dot and step in document else []


def _entry(item: Any, path: str) -> list[Any]:
    """A list's item found by its name (a tag, a metric), else by the path inside it."""
    if isinstance(item, Mapping):
        name = next((item[member] for member in _KEYED_BY if member in item), None)
        if name is not None and name == path:
            return [item["Value"]] if "Value" in item else [item.get("Last", item.get("Avg"))]
        if name is not None and path.startswith(f"{name}."):
            return values(item, path[len(str(name)) + 1 :])
    return values(item, path)


def _unwrapped(value: Any) -> list[Any]:
    if isinstance(value, list):
        return list(value)
    if isinstance(value, Mapping):
        inner = [value[member] for member in _WRAPPED if member in value]
        return inner or [value]
    return [value]


def _filter(item: Mapping[str, Any], document: Document) -> bool:
    found = [value for value in values(document, item["Name"]) if value is not None]
    operator = item.get("Operator", "Equals")
    if operator == "Exists":
        return bool(found)
    if operator == "NotExists":
        return not found
    if operator == "NotEquals":
        return not any(_equal(value, item["Value"]) for value in found)
    return any(_TESTS[operator](value, item["Value"]) for value in found)


def _nested(group: Mapping[str, Any], document: Document) -> bool:
    """All filters must hold for one and the same item of the list."""
    name = group["NestedPropertyName"]
    inner = [{**item, "Name": item["Name"].removeprefix(f"{name}.")} for item in group["Filters"]]
    items = [item for value in values(document, name) for item in (value if isinstance(value, list) else [value])]
    return any(all(_filter(item, entry) for item in inner) for entry in items if isinstance(entry, dict))


def _equal(found: Any, value: str) -> bool:
    if isinstance(found, bool):
        return str(found).lower() == value.lower()
    if isinstance(found, int | float):
        return _number(value) == float(found)
    return str(found) == value


def _order(found: Any, value: str) -> int | None:
    """Negative, zero or positive; None where the two cannot be compared."""
    if isinstance(found, int | float) and not isinstance(found, bool):
        number = _number(value)
        return None if number is None else (found > number) - (found < number)
    return (str(found) > value) - (str(found) < value)


def _number(value: str) -> float | None:
    """A number, or a time in ISO 8601 as epoch seconds."""
    try:
        return float(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _compared(accepts: Callable[[int], bool]) -> Test:
    def test(found: Any, value: str) -> bool:
        order = _order(found, value)
        return order is not None and accepts(order)

    return test


_TESTS: Mapping[str, Test] = {
    "Equals": _equal,
    "Contains": lambda found, value: value.lower() in str(found).lower(),
    "In": lambda found, value: any(_equal(found, item.strip()) for item in value.split(",")),
    "GreaterThan": _compared(lambda order: order > 0),
    "GreaterThanOrEqualTo": _compared(lambda order: order >= 0),
    "LessThan": _compared(lambda order: order < 0),
    "LessThanOrEqualTo": _compared(lambda order: order <= 0),
}
