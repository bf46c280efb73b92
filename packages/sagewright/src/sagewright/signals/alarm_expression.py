"""The rule of a composite alarm: ``ALARM(a) AND NOT (OK("b") OR FALSE)`` (API PutCompositeAlarm, AlarmRule). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from sagewright.base.reader import Reader
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
    reader = Reader(text, _TOKEN, ("quoted",), RuleError, "the rule", DEEPEST)
    node = _either(reader)
    reader.end()
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


def _either(reader: Reader) -> Node:
    """NOT binds strongest, OR weakest."""
    return _joined(reader, "OR", _all)


def _all(reader: Reader) -> Node:
    return _joined(reader, "AND", _one)


def _joined(reader: Reader, word: str, part: Callable[[Reader], Node]) -> Node:
    parts = [part(reader)]
    while reader.accept(word):
        parts.append(part(reader))
    return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))


def _one(reader: Reader) -> Node:
    with reader.deeper():
        return _atom(reader)


def _atom(reader: Reader) -> Node:
    match reader.accept("NOT", "(", "TRUE", "FALSE", ALARM, OK, INSUFFICIENT_DATA):
        case None:
            raise reader.unexpected()
        case "NOT":
            return Joined("NOT", (_one(reader),))
        case "(":
            inner = _either(reader)
            reader.expect(")")
            return inner
        case "TRUE" | "FALSE" as word:
            return Constant(word == "TRUE")
        case state:
            reader.expect("(")
            alarm = _name(reader)
            reader.expect(")")
            return State(alarm, state)


def _name(reader: Reader) -> str:
    """A name or an ARN, quoted where it has a space or a bracket."""
    kind, value = reader.take()
    if kind not in ("quoted", "word") or value in ('""', "''"):
        raise RuleError("the name of an alarm is missing")
    return name_of(value[1:-1] if kind == "quoted" else value)
