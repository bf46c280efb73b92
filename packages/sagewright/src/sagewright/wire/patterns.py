r"""The service models' patterns, which are Java regular expressions, for Python's ``re``.

They differ: Java's ``\w \d \s`` are ASCII, it has ``\p{..}``, ``\Q..\E``, nested and intersected character classes, ``\uD800\uDC00``
is one character, ``$`` may be repeated, and the dot stops at more line ends. Every character class is therefore computed as a set of
code points and written out. A constraint has to match the whole string (java.util.regex.Matcher.matches).

A pattern is translated twice, for ASCII text and, when first needed, for any text: ASCII needs no Unicode tables.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import cache

from sagewright.wire import characters
from sagewright.wire.characters import ASCII, UNICODE, Intervals

_LOG = logging.getLogger(__name__)

_CLASSES = {
    "d": characters.DIGIT,
    "w": characters.WORD,
    "s": characters.SPACE,
    "h": characters.HORIZONTAL_SPACE,
    "v": characters.VERTICAL_SPACE,
}
_CONTROLS = {"t": 0x09, "n": 0x0A, "r": 0x0D, "f": 0x0C, "a": 0x07, "e": 0x1B}
_ANCHORS = {"A": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)", "b": r"\b", "B": r"\B", "G": r"\A"}
_LINE_BREAK = "(?:\r\n|" + characters.expression(characters.VERTICAL_SPACE) + ")"

_TAMED = {
    "[a-z0-9]([-a-z0-9]*[a-z0-9]){0,39}?": "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
    r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$": r"^[a-z0-9*](?:[._\-/]?[a-z0-9*])*$",
    r"^[ \t]*[\x20-\x7E]+([ \t]+[\x20-\x7E]+)*[ \t]*$": r"^\t*[\x20-\x7E][\t\x20-\x7E]*$",
    r"^[ \t]*[^\x00-\x1F:\x7F]+([ \t]+[^\x00-\x1F:\x7F]+)*[ \t]*$": r"^\t*[^\x00-\x1F:\x7F][^\x00-\x08\x0A-\x1F:\x7F]*$",
}
"""Patterns that backtrack without end, with one that matches the same texts. ClusterSchedulerPriorityClassName has no length either;
one repetition already matches whatever 39 match. Of ECR's ScanningRepositoryFilterValue a separator stands between two others;
EventBridge's names and values of headers are anything without other controls than tabs, and not tabs alone. A test tries every pattern of the models for more of its kind."""


@cache
def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a whole string matches a Java pattern. A pattern that cannot be translated is logged once and matches everything."""
    try:
        narrow = re.compile(translate(pattern, ASCII), re.ASCII).fullmatch
    except (ValueError, re.error) as error:
        _LOG.warning("pattern %r is not checked: %s", pattern, error)
        return lambda text: True
    return lambda text: (narrow(text) if text.isascii() else _wide(pattern).fullmatch(text)) is not None


def translate(pattern: str, universe: int = UNICODE) -> str:
    """Python's spelling of a Java pattern for text of ``universe`` (its size); raises ValueError where Python has no equivalent."""
    return _Translation(_TAMED.get(pattern, pattern), universe).whole()


@cache
def _wide(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern, UNICODE), re.ASCII)


class _Translation:
    """One pass over one pattern."""

    def __init__(self, pattern: str, universe: int) -> None:
        self._pattern = pattern
        self._universe = universe
        self._at = 0

    def whole(self) -> str:
        parts = []
        while self._at < len(self._pattern):
            parts.append(self._next())
        return "".join(parts)

    def _next(self) -> str:
        character = self._take()
        if character == "\\":
            return self._escape()
        if character == "[":
            return characters.expression(self._class())
        if character == ".":
            return characters.expression(characters.complement(characters.LINE_ENDS, self._universe))
        if character in "^$":
            # Java allows a quantifier after an anchor (TagKey: "(..)${1,128}"), Python does not.
            return f"(?:{character})" if self._peek() in tuple("*+?{") else character
        if character == "(" and re.match(r"\?<[A-Za-z]", self._pattern[self._at :]):
            self._at += 2
            return "(?P<"
        return character if character in "()*+?{}|" or character.isalnum() or character in ",:<>=!-#" else re.escape(character)

    def _escape(self) -> str:
        kind = self._peek()
        if kind == "Q":
            self._at += 1
            return re.escape(self._quoted())
        if kind in _ANCHORS:
            self._at += 1
            return _ANCHORS[kind]
        if kind == "R":
            self._at += 1
            return _LINE_BREAK
        if kind == "k" and self._pattern[self._at + 1 : self._at + 2] == "<":
            end = self._pattern.index(">", self._at)
            name, self._at = self._pattern[self._at + 2 : end], end + 1
            return f"(?P={name})"
        if kind in tuple("123456789"):
            self._at += 1
            return "\\" + kind
        return self._members(self._escaped_set())

    def _members(self, members: Intervals) -> str:
        members = characters.within(members, self._universe)
        if len(members) == 1 and members[0][0] == members[0][1]:
            return re.escape(chr(members[0][0]))
        return characters.expression(members)

    def _quoted(self) -> str:
        end = self._pattern.find("\\E", self._at)
        text = self._pattern[self._at :] if end < 0 else self._pattern[self._at : end]
        self._at = len(self._pattern) if end < 0 else end + 2
        return text

    def _escaped_set(self) -> Intervals:
        """What an escape means as a set of characters; the backslash has been read."""
        kind = self._take()
        if kind in "pP":
            members = characters.named(self._property_name(), self._universe)
            return characters.complement(members, self._universe) if kind == "P" else members
        if kind.lower() in _CLASSES:
            members = _CLASSES[kind.lower()]
            return characters.complement(members, self._universe) if kind.isupper() else members
        return characters.single(self._code_point(kind))

    def _property_name(self) -> str:
        if self._peek() != "{":
            return self._take()
        end = self._pattern.index("}", self._at)
        name, self._at = self._pattern[self._at + 1 : end], end + 1
        return name

    def _code_point(self, kind: str) -> int:
        if kind == "u":
            return self._joined(self._digits(4, 16))
        if kind == "x":
            return int(self._property_name(), 16) if self._peek() == "{" else self._digits(2, 16)
        if kind == "0":
            octal = re.match(r"[0-3]?[0-7]{1,2}", self._pattern[self._at :])
            return self._digits(len(octal[0]) if octal else 0, 8)
        if kind == "c":
            return ord(self._take()) ^ 0x40
        if kind.isalpha() and kind not in _CONTROLS:
            raise ValueError(f"unknown escape \\{kind}")
        return _CONTROLS.get(kind, ord(kind))

    def _joined(self, unit: int) -> int:
        """Two escaped surrogates are one character."""
        low = re.match(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})", self._pattern[self._at :])
        if not (0xD800 <= unit < 0xDC00 and low):
            return unit
        self._at += 6
        return 0x10000 + ((unit - 0xD800) << 10) + int(low[1], 16) - 0xDC00

    def _digits(self, count: int, radix: int) -> int:
        text, self._at = self._pattern[self._at : self._at + count], self._at + count
        return int(text, radix)

    def _class(self) -> Intervals:
        """A character class; the opening bracket has been read."""
        negated = self._peek() == "^"
        self._at += negated
        members: Intervals = ()
        first = True
        while first or self._peek() != "]":
            first = False
            if self._pattern.startswith("&&", self._at):
                self._at += 2
                members = characters.intersection(members, self._rest_of_class(), self._universe)
            else:
                members = characters.union(members, self._class_item())
        self._at += 1
        members = characters.within(members, self._universe)
        return characters.complement(members, self._universe) if negated else members

    def _rest_of_class(self) -> Intervals:
        """The right side of ``&&``, up to the closing bracket (not read) or the next ``&&``."""
        members: Intervals = ()
        while self._peek() != "]" and not self._pattern.startswith("&&", self._at):
            members = characters.union(members, self._class_item())
        return members

    def _class_item(self) -> Intervals:
        character = self._take()
        if character == "[":
            return self._class()
        if character == "\\" and self._peek() == "Q":
            self._at += 1
            return characters.single(*map(ord, self._quoted()))
        low = self._escaped_set() if character == "\\" else characters.single(ord(character))
        if not self._range_follows(low):
            return low
        self._at += 1
        character = self._take()
        high = self._escaped_set() if character == "\\" else characters.single(ord(character))
        if len(high) != 1 or high[0][0] != high[0][1] or high[0][0] < low[0][0]:
            raise ValueError(f"bad character range in {self._pattern!r}")
        return ((low[0][0], high[0][0]),)

    def _range_follows(self, low: Intervals) -> bool:
        """A dash after one character and before another; after a class such as ``\\w``, or last, it stands for itself."""
        one = len(low) == 1 and low[0][0] == low[0][1]
        return one and self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", "[", "")

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        if self._at >= len(self._pattern):
            raise ValueError(f"{self._pattern!r} ends too early")
        self._at += 1
        return self._pattern[self._at - 1]
