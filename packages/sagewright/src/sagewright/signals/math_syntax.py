"""The syntax of CloudWatch's metric math: from a text to a tree (CloudWatch user guide, using-metric-math).

Operators by falling strength: ``^``, sign and NOT, ``* /``, ``+ -``, comparisons, AND (``&&``), OR (``||``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

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
    reader = _Reader(_tokens(text))
    node = reader.whole(0)
    if reader.peek():
        raise MathError(f"unexpected {reader.peek()!r}")
    return node


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise MathError(f"unexpected {text[at:].strip()[0]!r}")
        assert match.lastgroup is not None
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    if len(found) > LONGEST:
        raise MathError(f"the expression has more than {LONGEST} words")
    return found


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def peek(self) -> str:
        """The next token, empty at the end."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def whole(self, level: int) -> Node:
        """Everything that binds as strong as ``level`` or stronger."""
        if level == len(_LEVELS):
            return self._signed()
        left = self.whole(level + 1)
        while (sign := self._next_of(_LEVELS[level])) is not None:
            left = Operation(_SAME.get(sign, sign), (left, self.whole(level + 1)))
        return left

    def _signed(self) -> Node:
        sign = self._next_of(("-", "+", "NOT"))
        if sign is None:
            return self._power()
        self._deeper()
        operand = self._signed()
        self._depth -= 1
        return operand if sign == "+" else Operation("negative" if sign == "-" else sign, (operand,))

    def _power(self) -> Node:
        base = self._atom()
        return base if self._next_of(("^",)) is None else Operation("^", (base, self._signed()))

    def _atom(self) -> Node:
        kind, value = self._take()
        if kind == "number":
            return Number(float(value))
        if kind == "text":
            return Text(value[1:-1])
        if kind == "name":
            return Call(value.upper(), self._list(")")) if self._next_of(("(",)) else Name(value)
        if value == "[":
            return Array(self._list("]"))
        if value == "(":
            self._deeper()
            inner = self.whole(0)
            self._expect(")")
            self._depth -= 1
            return inner
        raise MathError(f"unexpected {value!r}" if value else "unexpected end")

    def _list(self, end: str) -> tuple[Node, ...]:
        self._deeper()
        items: list[Node] = []
        while not self._next_of((end,)):
            if items:
                self._expect(",")
            items.append(self.whole(0))
        self._depth -= 1
        return tuple(items)

    def _take(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            return "", ""
        self._at += 1
        return self._tokens[self._at - 1]

    def _next_of(self, wanted: tuple[str, ...]) -> str | None:
        kind, value = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        word = value.upper() if kind == "name" else value
        if kind in ("", "number", "text") or word not in wanted:
            return None
        self._at += 1
        return word

    def _expect(self, sign: str) -> None:
        if self._next_of((sign,)) is None:
            raise MathError(f"{sign!r} is missing before {self.peek()!r}" if self.peek() else f"{sign!r} is missing at the end")

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise MathError("the expression is nested too deeply")
