"""docs/guide/algorithms lists every built-in algorithm with what it takes, answers and reaches."""

from __future__ import annotations

from docs.algorithm_pages import GUIDE, pages


def test_the_committed_pages_are_current() -> None:
    committed = {file.name: file.read_text() for file in GUIDE.glob("*.md")}
    assert committed.keys() == pages().keys(), "run: make guide"
    assert {name for name, text in pages().items() if committed[name] != text} == set(), "run: make guide"
