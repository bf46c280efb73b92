"""Checks documents against the service model: every type, required member, enumeration, pattern, length, range, size and union.

A checker is compiled once per shape into closures and returns None for a good value, so that the usual request builds no path and no
list: CreateTrainingJob costs about 20 microseconds. A wrong JSON type raises at once (AWS fails while reading); violated constraints are collected.
Members that are null count as absent and are removed from the document.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sagewright.wire.documents import Document, is_recursive, refuse_deep
from sagewright.wire.errors import Fault
from sagewright.wire.model import Shape, StructureShape
from sagewright.wire.patterns import matcher
from sagewright.wire.problems import (
    LONGEST_VALUE,
    NOT_NULL,
    Problem,
    at_least,
    at_most,
    matching,
    member_step,
    mistyped,
    one_of,
    refusal,
    shown,
)

T = TypeVar("T")
Problems = list[Problem]
Checker = Callable[[Any], Problems | None]

REFUSE_UNKNOWN_MEMBERS = True
"""AWS's JSON services drop members they do not know. We refuse them, because a mistyped member silently ignored trains the wrong model."""

_NULL: Problems = []
"""What a checker returns for null; only the container knows what that means."""

_INTEGERS = {"integer": (-(1 << 31), (1 << 31) - 1), "long": (-(1 << 63), (1 << 63) - 1)}


class Validators:
    """The compiled checkers of one service (a shape's name is unique only within its service)."""

    def __init__(self) -> None:
        self._checkers: dict[str, Checker] = {}

    def validator(self, shape: StructureShape | None) -> Callable[[Document], None]:
        """A function that returns for a good document and raises a Fault for another: ValidationException or SerializationException.

        Removes members that are null, in place.
        """
        if shape is None:
            return lambda document: None
        check, recursive = self._checker(shape), is_recursive(shape)

        def validate(document: Document) -> None:
            if recursive:
                refuse_deep(document)
            problems = check(document)
            if problems is not None:
                raise refusal(problems) if problems else mistyped(None, "structure")

        return validate

    def _checker(self, shape: Shape) -> Checker:
        known = self._checkers.get(shape.name)
        if known is not None:
            return known
        self._checkers[shape.name] = lambda value: self._checkers[shape.name](value)  # what a recursive shape finds
        self._checkers[shape.name] = self._compile(shape)
        return self._checkers[shape.name]

    def _compile(self, shape: Shape) -> Checker:
        if shape.type_name == "structure":
            return _structure(shape, {name: self._checker(member) for name, member in shape.members.items()})
        if shape.type_name == "list":
            return _list(shape, self._checker(shape.member))
        if shape.type_name == "map":
            return _map(shape, self._checker(shape.key), self._checker(shape.value))
        return _LEAVES[shape.type_name](shape)


def _structure(shape: StructureShape, checkers: dict[str, Checker]) -> Checker:
    required = frozenset(shape.required_members)
    is_union = bool(shape.metadata.get("union"))

    def check(value: Any) -> Problems | None:
        if type(value) is not dict:
            return _null_or_mistyped(value, "structure")
        found: Problems | None = None
        dropped = None
        for name, item in value.items():
            checker = checkers.get(name)
            if checker is None:
                found, dropped = _more(found, _unknown(name)) or None, _more(dropped, (name,))
                continue
            problems = checker(item)
            if problems is None:
                continue
            if problems is _NULL:
                dropped = _more(dropped, (name,))
            else:
                found = _more(found, (problem.below(member_step(name)) for problem in problems))
        for name in dropped or ():
            del value[name]
        if required and not value.keys() >= required:
            found = [*_missing(shape, value), *(found or ())]
        if is_union and len(value) != 1:
            found = [*(found or ()), _not_one(shape, value)]
        return found

    return check


def _more(found: list[T] | None, new: Iterable[T]) -> list[T]:
    """``found``, made when first needed, with more in it: a copy for each would be quadratic, and a request may hold a million."""
    if found is None:
        return list(new)
    found.extend(new)
    return found


def _unknown(name: Any) -> Problems:
    return [Problem((), "", "", f"Unknown parameter '{str(name)[:LONGEST_VALUE]}'")] if REFUSE_UNKNOWN_MEMBERS else []


def _missing(shape: StructureShape, value: Document) -> Problems:
    return [Problem((member_step(name),), shown(None), NOT_NULL) for name in shape.required_members if name not in value]


def _not_one(shape: StructureShape, value: Document) -> Problem:
    constraint = f"Exactly one member must be set: [{', '.join(shape.members)}]"
    return Problem((), shown(value, bool(shape.metadata.get("sensitive"))), constraint)


def _list(shape: Shape, member: Checker) -> Checker:
    scalar = _is_scalar(shape.member)
    sizes = _Sizes(shape)

    def check(value: Any) -> Problems | None:
        if type(value) is not list:
            return _null_or_mistyped(value, "list")
        found = sizes.problems(value, len(value))
        whole = None
        for index, item in enumerate(value, 1):
            problems = member(item)
            if problems is None:
                continue
            if problems is _NULL:
                found = _more(found, (Problem((str(index), "member"), shown(None), NOT_NULL),))
            elif scalar:
                whole = whole or [
                    Problem((), sizes.shown(value), f"Member must satisfy constraint: {_constraints(shape.member)}")
                ]
            else:
                found = _more(found, (problem.below(str(index), "member") for problem in problems))
        return [*(found or ()), *whole] if whole else found

    return check


def _map(shape: Shape, key: Checker, item: Checker) -> Checker:
    scalar = _is_scalar(shape.value)
    sizes = _Sizes(shape)

    def check(value: Any) -> Problems | None:
        if type(value) is not dict:
            return _null_or_mistyped(value, "map")
        found = sizes.problems(value, len(value))
        wrong_key = wrong_value = False
        for name, entry in value.items():
            wrong_key = wrong_key or key(name) is not None
            problems = item(entry)
            if problems is None:
                continue
            if problems is _NULL:
                found = _more(found, (Problem((str(name), "member"), shown(None), NOT_NULL),))
            elif scalar:
                wrong_value = True
            else:
                found = _more(found, (problem.below(str(name), "member") for problem in problems))
        if wrong_key or wrong_value:
            found = [*(found or ()), *_map_problems(shape, sizes.shown(value), wrong_key, wrong_value)]
        return found

    return check


def _map_problems(shape: Shape, text: str, wrong_key: bool, wrong_value: bool) -> Problems:
    problems = []
    if wrong_key:
        problems.append(Problem((), text, f"Map keys must satisfy constraint: {_constraints(shape.key)}"))
    if wrong_value:
        problems.append(Problem((), text, f"Map value must satisfy constraint: {_constraints(shape.value)}"))
    return problems


class _Sizes:
    """Least and greatest length or size of a shape."""

    __slots__ = ("_greatest", "_least", "_sensitive")

    def __init__(self, shape: Shape) -> None:
        self._least = shape.metadata.get("min", 0)
        self._greatest = shape.metadata.get("max", 1 << 62)
        self._sensitive = bool(shape.metadata.get("sensitive"))

    def shown(self, value: Any) -> str:
        return shown(value, self._sensitive)

    def problems(self, value: Any, size: int) -> Problems | None:
        if self._least <= size <= self._greatest:
            return None
        bound = at_most("length", self._greatest) if size > self._greatest else at_least("length", self._least)
        return [Problem((), self.shown(value), bound)]


def _string(shape: Shape) -> Checker:
    if not shape.metadata.keys() & {"min", "max", "pattern", "enum"}:
        return _any_string
    least, greatest = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 62)
    pattern = shape.metadata.get("pattern")
    matches: list[Callable[[str], bool]] = []  # filled by the first value: most shapes never see one
    values = frozenset(shape.enum) if shape.metadata.get("enum") else None

    def check(value: Any) -> Problems | None:
        if type(value) is not str:
            return _null_or_mistyped(value, "String")
        if values is not None and value not in values:
            return _string_problems(shape, value)
        if not least <= len(value) <= greatest:
            return _string_problems(shape, value)
        if pattern is not None:
            if not matches:
                matches.append(matcher(pattern))
            if not matches[0](value):
                return _string_problems(shape, value)
        return None

    return check


def _string_problems(shape: Shape, value: str) -> Problems:
    """All violated constraints of a string. A string that is too long is not matched: that bounds what a pattern can cost."""
    rules = shape.metadata
    violated = []
    too_long = len(value) > rules.get("max", 1 << 62)
    if "pattern" in rules and not too_long and not matcher(rules["pattern"])(value):
        violated.append(matching(rules["pattern"]))
    if too_long:
        violated.append(at_most("length", rules["max"]))
    if len(value) < rules.get("min", 0):
        violated.append(at_least("length", rules["min"]))
    if rules.get("enum") and value not in rules["enum"]:
        violated.append(one_of(rules["enum"]))
    text = shown(value, bool(rules.get("sensitive")))
    return [Problem((), text, constraint) for constraint in violated]


def _any_string(value: Any) -> Problems | None:
    return None if type(value) is str else _null_or_mistyped(value, "String")


def _integer(shape: Shape) -> Checker:
    smallest, largest = _INTEGERS[shape.type_name]
    least = max(shape.metadata.get("min", smallest), smallest)
    greatest = min(shape.metadata.get("max", largest), largest)

    def check(value: Any) -> Problems | None:
        if type(value) is not int:
            return _null_or_mistyped(value, shape.type_name)
        if least <= value <= greatest:
            return None
        if not smallest <= value <= largest:
            raise Fault("SerializationException", f"Numeric value out of range of {shape.type_name}")
        return _out_of_range(shape, value)

    return check


def _float(shape: Shape) -> Checker:
    least, greatest = shape.metadata.get("min", float("-inf")), shape.metadata.get("max", float("inf"))

    def check(value: Any) -> Problems | None:
        if type(value) is not float and type(value) is not int:
            return _null_or_mistyped(value, shape.type_name)
        if value - value != 0:  # NaN or infinite, which CBOR and the query protocol can carry and JSON answers cannot
            raise mistyped(value, shape.type_name)
        return None if least <= value <= greatest else _out_of_range(shape, value)

    return check


def _out_of_range(shape: Shape, value: int | float) -> Problems:
    rules = shape.metadata
    bound = at_most("value", rules["max"]) if "max" in rules and value > rules["max"] else at_least("value", rules["min"])
    return [Problem((), shown(value, bool(rules.get("sensitive"))), bound)]


def _boolean(shape: Shape) -> Checker:
    return lambda value: None if value is True or value is False else _null_or_mistyped(value, "Boolean")


def _timestamp(shape: Shape) -> Checker:
    return lambda value: None if type(value) is float else _null_or_mistyped(value, "timestamp")


def _blob(shape: Shape) -> Checker:
    sizes = _Sizes(shape)

    def check(value: Any) -> Problems | None:
        if type(value) is bytes:
            return sizes.problems("(binary)", len(value))
        if type(value) is not str:
            return _null_or_mistyped(value, "Blob")
        try:
            size = len(binascii.a2b_base64(value, strict_mode=True))
        except ValueError:
            raise Fault("SerializationException", "Invalid base64 data in a blob") from None
        return sizes.problems("(binary)", size)

    return check


def _null_or_mistyped(value: Any, target: str) -> Problems:
    if value is None:
        return _NULL
    raise mistyped(value, target)


def _is_scalar(shape: Shape) -> bool:
    return shape.type_name not in ("structure", "list", "map")


def _constraints(shape: Shape) -> str:
    """All constraints of a scalar in brackets: for a list or map of scalars AWS shows the whole container and these."""
    rules, kind = shape.metadata, "length" if shape.type_name in ("string", "blob") else "value"
    texts = []
    if "max" in rules:
        texts.append(at_most(kind, rules["max"]))
    if "min" in rules:
        texts.append(at_least(kind, rules["min"]))
    if "pattern" in rules:
        texts.append(matching(rules["pattern"]))
    if rules.get("enum"):
        texts.append(one_of(rules["enum"]))
    return f"[{', '.join(texts)}]"


_LEAVES: dict[str, Callable[[Any], Checker]] = {
    "string": _string,
    "character": _string,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "blob": _blob,
}
