"""Finds metric values in log lines by a user's regular expressions, in a process of its own.

A pattern can take for ever on one line, and Python's matcher can be neither interrupted nor kept from holding the interpreter
lock. So a small child (matcher.py) matches; when it is late it is killed, the guilty patterns are found and not asked again.
DG training-metrics: the first group of the first match in a line is the value.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

BATCH_SECONDS = 5.0
"""For all patterns on a batch of lines; a good pattern takes a microsecond a line."""
PATTERN_SECONDS = 1.0
LINE_LIMIT = 16_384
"""Longer lines are cut before they are matched."""


class Value(NamedTuple):
    """A value of the metric ``name`` in line number ``line`` of the batch."""

    line: int
    name: str
    value: float


class Found(NamedTuple):
    """Values in the order of the lines, and the names of metrics whose patterns took too long."""

    values: list[Value]
    slow: list[str]


class Scraper:
    """Owns at most one child, whoever asks; ``close`` it."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def find(self, definitions: Sequence[Mapping[str, str]], lines: Sequence[str]) -> Found:
        """Values by MetricDefinitions ({Name, Regex}). Patterns that do not compile or have no group find nothing."""
        pairs = [(item["Name"], item["Regex"]) for item in definitions]
        if not pairs or not lines:
            return Found([], [])
        async with self._lock:
            values = await self._ask(pairs, lines, BATCH_SECONDS)
            if values is None:
                return await self._one_by_one(pairs, lines)
        return Found(sorted(values), [])

    async def close(self) -> None:
        """Ends the child."""
        child, self._child = self._child, None
        if child is None or child.stdin is None:
            return
        with suppress(ProcessLookupError):
            child.kill()
        child.stdin.close()
        await child.wait()

    async def _one_by_one(self, pairs: Iterable[tuple[str, str]], lines: Sequence[str]) -> Found:
        found, slow = list[Value](), list[str]()
        for pair in pairs:
            values = await self._ask([pair], lines, PATTERN_SECONDS)
            if values is None:
                slow.append(pair[0])
            found += values or []
        return Found(sorted(found), slow)

    async def _ask(self, pairs: Sequence[tuple[str, str]], lines: Sequence[str], seconds: float) -> list[Value] | None:
        """None when the child was late or died."""
        question = json.dumps({"pairs": pairs, "lines": [line[:LINE_LIMIT] for line in lines]}) + "\n"
        try:
            child = await self._started()
            answer = await asyncio.wait_for(_exchange(child, question.encode()), seconds)
            return [Value(*item) for item in json.loads(answer)]
        except (TimeoutError, ConnectionError, ValueError):
            await self.close()
            return None
        except BaseException:
            await self.close()  # cancelled: an answer that nobody reads must not be taken for the next one's
            raise

    async def _started(self) -> asyncio.subprocess.Process:
        """The child, ready: its start must not count as a pattern's time. Raises ConnectionError when it dies at once."""
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(Path(__file__).with_name("matcher.py")),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=64 * 1024 * 1024,
            )
            if self._child.stdout is None or await self._child.stdout.readline() != b"ready\n":
                raise ConnectionError("the matcher does not start")
        return self._child


async def _exchange(child: asyncio.subprocess.Process, question: bytes) -> bytes:
    if child.stdin is None or child.stdout is None:
        raise ConnectionError("the matcher has no pipes")
    child.stdin.write(question)
    await child.stdin.drain()
    return await child.stdout.readline()
