"""The pages hold together: links resolve, files they name exist, every note ends in a checklist, decisions are numbered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/src/**/*.md")])
NOTES = sorted(ROOT.glob("docs/notes/*.md"))
DECISIONS = sorted(ROOT.glob("docs/decisions/*.md"))
SOURCES = [
    path.relative_to(ROOT).as_posix()
    for folder in ("packages", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
]
FOLDERS = (
    "cli",
    "app",
    "features",
    "neighbours",
    "front",
    "serving",
    "kernel",
    "compute",
    "objects",
    "signals",
    "store",
    "wire",
    "base",
    "tests",
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_resolves(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if not re.match(r"[a-z]+:", link)]
    for link in links:
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link} names no heading"


@pytest.mark.parametrize("page", [page for page in PAGES if "coverage" not in page.name], ids=name)
def test_every_source_file_it_names_exists(page: Path) -> None:
    """`kernel/loop.py` may be named from any folder above it; `loop.py` alone, too."""
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w/]+\.py)", page.read_text())
    assert [file for file in named if not any(f"/{source}".endswith(f"/{file}") for source in SOURCES)] == []


@pytest.mark.parametrize("note", NOTES, ids=name)
def test_every_note_ends_in_a_checklist(note: Path) -> None:
    last = note.read_text().rpartition("\n## ")[2]
    heading, _, text = last.partition("\n")
    assert re.search("checklist|chang", heading, re.IGNORECASE), f"the last section is {heading!r}"
    assert len(re.findall(r"^(?:\d+\.|[-*]) ", text, re.MULTILINE)) >= 3


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for page in DECISIONS:
        assert page.read_text().startswith(f"# {int(page.name[:4])}. "), page.name


def test_every_package_of_the_server_is_on_the_map() -> None:
    """docs/architecture.md, "Packages"."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    packages = [path.parent.name for path in (ROOT / "packages/sagewright/src/sagewright").glob("*/__init__.py")]
    features = [path.parent.name for path in (ROOT / "packages/sagewright/src/sagewright/features").glob("*/__init__.py")]
    assert [package for package in [*packages, *features] if not re.search(rf"`{package}/?`", text)] == []
