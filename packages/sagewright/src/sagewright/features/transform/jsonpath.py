"""The subset of JSONPath that InputFilter and OutputFilter of a transform job understand (Developer Guide, batch-transform-data-processing).

``$`` the record · ``.name`` and ``['name']`` a member · ``['a','b']`` several · ``*`` all · ``[n]`` and ``[n,m]`` elements, negative ones
from the end · ``[start:end]`` a slice. Several members give an object, several elements a list. A row of CSV is a list of its columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Step = Callable[[Any], Any]

_NAME = re.compile(
    r"\.?\s*\[\s*('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")((?:\s*,\s*(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))*)\s*\]"
)
_DOT = re.compile(r"\.([A-Za-z_][\w-]*)")
_WILDCARD = re.compile(r"\.?\[\s*\*\s*\]|\.\*")
_SLICE = re.compile(r"\.?\[\s*(-?\d*)\s*:\s*(-?\d*)\s*\]")
_ELEMENTS = re.compile(r"\.?\[\s*(-?\d+)((?:\s*,\s*-?\d+)*)\s*\]")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


class PathError(ValueError):
    """The text is no path of this subset, or the record has nothing where the path leads; the text says which."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A compiled path; ``whole`` when it is ``$`` alone."""

    text: str
    steps: tuple[Step, ...]

    @property
    def whole(self) -> bool:
        return not self.steps

    def of(self, record: Any) -> Any:
        """What the path selects. Raises PathError when the record has no such member or element."""
        for step in self.steps:
            try:
                record = step(record)
            except (KeyError, IndexError, TypeError) as problem:
                raise PathError(f"{self.text} selects nothing of the record") from problem
        return record


def compile_path(text: str) -> JsonPath:
    """Raises PathError."""
    if not text.startswith("$"):
        raise PathError(f"{text!r} does not start with $")
    steps, position = [], 1
    while position < len(text):
        step, position = _step(text, position)
        steps.append(step)
    return JsonPath(text, tuple(steps))


def _step(text: str, position: int) -> tuple[Step, int]:
    for pattern, make in _STEPS:
        found = pattern.match(text, position)
        if found is not None:
            return make(found), found.end()
    raise PathError(f"{text!r} cannot be understood from position {position} on")


def _members(found: re.Match[str]) -> Step:
    names = [_unquoted(quoted) for quoted in _QUOTED.finditer(found[0])]
    if len(names) == 1:
        return _member(names[0])
    return lambda record: {name: _object(record)[name] for name in names}


def _member(name: str) -> Step:
    return lambda record: _object(record)[name]


def _elements(found: re.Match[str]) -> Step:
    numbers = [int(number) for number in re.findall(r"-?\d+", found[0])]
    if len(numbers) == 1:
        return lambda record: _list(record)[numbers[0]]
    return lambda record: [_list(record)[number] for number in numbers]


def _slice(found: re.Match[str]) -> Step:
    bounds = slice(*(int(number) if number else None for number in (found[1], found[2])))
    return lambda record: _list(record)[bounds]


def _all(record: Any) -> Any:
    return list(record.values()) if isinstance(record, dict) else _list(record)


def _object(record: Any) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise TypeError
    return record


def _list(record: Any) -> list[Any]:
    if not isinstance(record, list):
        raise TypeError
    return record


def _unquoted(found: re.Match[str]) -> str:
    return re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2])


_STEPS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Step]], ...] = (
    (_WILDCARD, lambda _: _all),
    (_DOT, lambda found: _member(found[1])),
    (_NAME, _members),
    (_SLICE, _slice),
    (_ELEMENTS, _elements),
)
