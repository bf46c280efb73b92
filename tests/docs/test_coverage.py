"""docs/coverage.md says what is there; nothing that is written by hand is untested."""

from __future__ import annotations

import re

from docs.coverage_page import ROOT, registered, written

_ROW = re.compile(r"\| (\w+) \| (\w+) \| (.*?)(?: and others)? \|")


def test_the_committed_page_is_current() -> None:
    """What answers each operation is as the page says. Which tests it names may lag behind: each must be there and call it."""
    committed = (ROOT / "docs" / "coverage.md").read_text()
    assert _origins(committed) == _origins(written()), "run: make coverage"
    _, mentions = registered()
    for name, _, tests in _ROW.findall(committed):
        named = {f"tests/{file}" for file in re.findall(r"`(.*?)`", tests)}
        assert named <= set(mentions.of(name)), f"{name}: run: make coverage"


def test_every_written_operation_is_called_by_a_test() -> None:
    found, mentions = registered()
    written_by_hand = [name for service, name in found.operations if found.origin(service, name) == "written"]
    assert [name for name in written_by_hand if not mentions.of(name)] == []


def _origins(page: str) -> list[tuple[str, str]]:
    return [(name, origin) for name, origin, _ in _ROW.findall(page)]
