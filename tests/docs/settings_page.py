"""Prints docs/guide/settings.md:  python tests/docs/settings_page.py > docs/guide/settings.md"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "packages/sagewright/src"))

from sagewright import settings  # noqa: E402

HEAD = """# Settings

Every setting is an environment variable; those with an option can also be given to `sagewright up`, and the option wins.
Yes and no are `1` and `0`. `sagewright up` refuses what it does not understand and says why.

| variable | option | default | what it does |
|---|---|---|---|
"""
TAIL = """
This page is generated from `settings.py` (`python tests/docs/settings_page.py`); a test holds it current.
"""
OPTIONS = ("data", "host", "port", "auth", "runtime", "limits", "inline", "test_hooks")


def written() -> str:
    """The page."""
    texts = _docstrings()
    rows = [_row(field, texts[field.name]) for field in dataclasses.fields(settings.Settings)]
    return HEAD + "\n".join(rows) + "\n" + TAIL


def _row(field: dataclasses.Field[object], text: str) -> str:
    option = f"`--{field.name.replace('_', '-')}`" if field.name in OPTIONS else ""
    default = "`~/.local/share/sagewright`" if field.name == "data" else _shown(field.default)
    return f"| `SAGEWRIGHT_{field.name.upper()}` | {option} | {default} | {' '.join(text.split())} |"


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "`1`" if default else "`0`"
    return f"`{default}`" if default != "" else ""


def _docstrings() -> dict[str, str]:
    """The text below each field; a field without one is an error."""
    (body,) = [node.body for node in ast.parse(inspect.getsource(settings)).body if isinstance(node, ast.ClassDef)]
    found = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(text, ast.Expr), field.target.id
            found[field.target.id] = str(ast.literal_eval(text.value))
    return found


if __name__ == "__main__":
    sys.stdout.write(written())
