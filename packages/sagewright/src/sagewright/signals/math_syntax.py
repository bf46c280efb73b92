"""The syntax of CloudWatch's metric math: from a text to a tree (CloudWatch user guide, using-metric-math).

Operators by falling strength: ``^``, sign and NOT, ``* /``, ``+ -``, comparisons, AND (``&&``), OR (``||``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from sagewright.base.reader import Reader

DEEPEST = 40
"""Levels of brackets: an expression is a few words, and a deep one would exhaust the stack."""

LONGEST = 300
"""Words of an expression: a long sum is a deep tree, too."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<text>"[^"]*"|'[^']*')"""
    r"""|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/^<>(),\[\]]))"""
)
_LEVELS: tuple[tuple[str, ...], ...] = (("OR", "||"), ("AND", "&&"), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/"))
_SAME = {"||": "OR", "&&": "AND"}


class MathError(ValueError):
    """The expression is no metric math, or cannot be told; the text is for the caller."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted text."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """The id of a metric or of another expression, or a word such as REPEAT."""

    value: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator and its operands."""

    sign: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """``[a, b]``: several time series."""

    items: tuple[Node, ...]


Node = Number | Text | Name | Operation | Call | Array


@lru_cache(512)
def parse(text: str) -> Node:
    """The tree of an expression; raises MathError."""
    reader = Reader(text, _TOKEN, ("number", "text"), MathError, "the expression", DEEPEST)
    if len(reader) > LONGEST:
        raise MathError(f"the expression has more than {LONGEST} words")
    node = _whole(reader)
    reader.end()
    return node


def _whole(reader: Reader, level: int = 0) -> Node:
    """Everything that binds as strong as ``level`` or stronger."""
    if level == len(_LEVELS):
        return _signed(reader)
    left = _whole(reader, level + 1)
    while (sign := reader.accept(*_LEVELS[level])) is not None:
        left = Operation(_SAME.get(sign, sign), (left, _whole(reader, level + 1)))
    return left


def _signed(reader: Reader) -> Node:
    sign = reader.accept("-", "+", "NOT")
    if sign is None:
        return _power(reader)
    with reader.deeper():
        operand = _signed(reader)
    return operand if sign == "+" else Operation("negative" if sign == "-" else sign, (operand,))


def _power(reader: Reader) -> Node:
    base = _atom(reader)
    return Operation("^", (base, _signed(reader))) if reader.accept("^") else base


def _atom(reader: Reader) -> Node:
    if reader.accept("["):
        return Array(_list(reader, "]"))
    if reader.accept("("):
        with reader.deeper():
            inner = _whole(reader)
            reader.expect(")")
            return inner
    match reader.peek()[0]:
        case "number":
            return Number(float(reader.take()[1]))
        case "text":
            return Text(reader.take()[1][1:-1])
        case "name":
            name = reader.take()[1]
            return Call(name.upper(), _list(reader, ")")) if reader.accept("(") else Name(name)
    raise reader.unexpected()


def _list(reader: Reader, end: str) -> tuple[Node, ...]:
    items: list[Node] = []
    with reader.deeper():
        while not reader.accept(end):
            if items:
                reader.expect(",")
            items.append(_whole(reader))
    return tuple(items)
