"""The rule of a composite alarm: ``ALARM(a) AND NOT (OK("b") OR FALSE)`` (API PutCompositeAlarm, AlarmRule). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from sagewright.signals.alarms import ALARM, INSUFFICIENT_DATA, OK, name_of

DEEPEST = 40
"""Levels of brackets and NOTs."""
MOST = 100
"""Alarms that a rule may name (API PutCompositeAlarm)."""

_TOKEN = re.compile(r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<sign>[()])|(?P<word>[^\s()"']+))""")


class RuleError(ValueError):
    """The text is no rule."""


@dataclass(frozen=True, slots=True)
class State:
    """Whether an alarm is in a state."""

    alarm: str
    state: str


@dataclass(frozen=True, slots=True)
class Constant:
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """AND, OR or NOT (of one part)."""

    word: str
    parts: tuple[Node, ...]


Node = State | Constant | Joined


@lru_cache(256)
def parse(text: str) -> Node:
    """The rule as a tree; raises RuleError."""
    reader = _Reader(_tokens(text))
    node = reader.either()
    if reader.peek():
        raise RuleError(f"unexpected {reader.peek()!r}")
    if len(names(node)) > MOST:
        raise RuleError(f"more than {MOST} alarms")
    return node


def names(node: Node) -> frozenset[str]:
    """The alarms that a rule names."""
    match node:
        case State(alarm, _):
            return frozenset((alarm,))
        case Joined(_, parts):
            return frozenset(name for part in parts for name in names(part))
    return frozenset()


def holds(node: Node, states: Mapping[str, str]) -> bool:
    """Whether the rule is met; an alarm that is not there is in no state."""
    match node:
        case State(alarm, state):
            return states.get(alarm) == state
        case Constant(value):
            return value
        case Joined("NOT", (part,)):
            return not holds(part, states)
        case Joined("AND", parts):
            return all(holds(part, states) for part in parts)
        case Joined(_, parts):
            return any(holds(part, states) for part in parts)


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise RuleError(f"unexpected {text[at:].strip()[0]!r}")
        assert match.lastgroup is not None
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class _Reader:
    """NOT binds strongest, OR weakest."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def peek(self) -> str:
        """The next token, empty at the end."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def either(self) -> Node:
        """Parts joined by OR."""
        return self._joined("OR", self._all)

    def _all(self) -> Node:
        return self._joined("AND", self._one)

    def _joined(self, word: str, part: object) -> Node:
        assert callable(part)
        parts: list[Node] = [part()]
        while self._word(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))

    def _one(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise RuleError("the rule is nested too deeply")
        node = self._atom()
        self._depth -= 1
        return node

    def _atom(self) -> Node:
        if self._word("NOT"):
            return Joined("NOT", (self._one(),))
        if self._word("("):
            inner = self.either()
            self._expect(")")
            return inner
        for word, value in (("TRUE", True), ("FALSE", False)):
            if self._word(word):
                return Constant(value)
        for state in (ALARM, OK, INSUFFICIENT_DATA):
            if self._word(state):
                self._expect("(")
                alarm = self._name()
                self._expect(")")
                return State(alarm, state)
        raise RuleError(f"unexpected {self.peek()!r}" if self.peek() else "unexpected end")

    def _name(self) -> str:
        """A name or an ARN, quoted where it has a space or a bracket."""
        kind, value = self._tokens[self._at] if self.peek() else ("", "")
        if kind not in ("quoted", "word") or value in ('""', "''"):
            raise RuleError("the name of an alarm is missing")
        self._at += 1
        return name_of(value[1:-1] if kind == "quoted" else value)

    def _word(self, word: str) -> bool:
        kind, value = self._tokens[self._at] if self.peek() else ("", "")
        if kind == "quoted" or value.upper() != word:
            return False
        self._at += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._word(sign):
            raise RuleError(f"{sign!r} is missing")
