"""Reads a text of a small language, token by token: what every descent from a text to a tree does."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class Reader:
    """``tokens`` is a pattern that matches one with a named group, its kind; those of the ``literal`` kinds are never words of the language.

    What is wrong is raised as ``problem``, with a text for whoever wrote it; ``whole`` is what the text is called there.
    """

    def __init__(
        self, text: str, tokens: re.Pattern[str], literal: Collection[str], problem: type[Exception], whole: str, deepest: int
    ) -> None:
        self._literal = literal
        self._problem = problem
        self._whole = whole
        self._deepest = deepest
        self._tokens: list[tuple[str, str]] = []
        self._at = self._depth = 0
        place = 0
        while text[place:].strip():
            match = tokens.match(text, place)
            if match is None:
                raise problem(f"unexpected {text[place:].strip()[0]!r}")
            assert match.lastgroup is not None
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            place = match.end()

    def __len__(self) -> int:
        return len(self._tokens)

    def peek(self) -> tuple[str, str]:
        """Kind and text of the next token, both empty at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def take(self) -> tuple[str, str]:
        """The same, and goes on behind it."""
        found = self.peek()
        self._at += bool(found[0])
        return found

    def accept(self, *words: str) -> str | None:
        """The next token if it is one of these (in capitals), which is then behind us."""
        kind, text = self.peek()
        if kind in self._literal or text.upper() not in words:
            return None
        self._at += 1
        return text.upper()

    def expect(self, word: str) -> None:
        """It must be the next token."""
        if self.accept(word) is None:
            raise self._problem(f"{word!r} is missing {self._where()}")

    def end(self) -> None:
        """There must be no more."""
        if self.peek()[0]:
            raise self.unexpected()

    def unexpected(self) -> Exception:
        """For raising: the next token cannot stand there."""
        text = self.peek()[1]
        return self._problem(f"unexpected {text!r}" if text else "unexpected end")

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level of nesting: a deep one would exhaust the stack."""
        self._depth += 1
        if self._depth > self._deepest:
            raise self._problem(f"{self._whole} is nested too deeply")
        yield
        self._depth -= 1

    def _where(self) -> str:
        text = self.peek()[1]
        return f"before {text!r}" if text else "at the end"
