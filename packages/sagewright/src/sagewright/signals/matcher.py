"""Runs as a child of scrape.py: says "ready", then a question a line, an answer a line. Imports little, so that it starts in milliseconds."""

from __future__ import annotations

import json
import math
import re
import resource
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_ESCAPED = re.compile("#[0-7]{3}")
"""An escaped control character ends a value: AWS's own patterns say ``#011validation-auc:(\\S+)`` where more columns follow."""
MEMORY_LIMIT = 512 * 1024 * 1024


def match(pairs: Iterable[Sequence[str]], lines: Sequence[str]) -> list[tuple[int, str, float]]:
    """Triples of line number, metric name and value: the first group of the first match in a line."""
    found: list[tuple[int, str, float]] = []
    for name, regex in pairs:
        try:
            pattern = re.compile(regex)
        except (re.error, RecursionError, OverflowError, MemoryError):
            continue
        for number, line in enumerate(lines):
            value = _number(pattern.search(line))
            if value is not None:
                found.append((number, name, value))
    return found


def _number(found: re.Match[str] | None) -> float | None:
    if found is None or not found.re.groups or found[1] is None:
        return None
    try:
        value = float(_ESCAPED.split(found[1], 1)[0])
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _serve() -> None:
    """Until the parent closes the pipe or is gone."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    print("ready", flush=True)
    for line in sys.stdin:
        question: dict[str, Any] = json.loads(line)
        print(json.dumps(match(question["pairs"], question["lines"])), flush=True)


if __name__ == "__main__":
    _serve()
