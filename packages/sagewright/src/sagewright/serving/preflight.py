"""Why a container does not come into service: what its pings were answered, where, and what it said last. For FailureReason and `explain`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LAST_LINES = 5
_TAIL_BYTES = 2048
_LINE_LENGTH = 160
_MOST_OUTCOMES = 6


@dataclass(slots=True)
class _Run:
    """Pings in a row that went the same way: ``first`` and ``last`` in seconds since the container was first asked."""

    what: str
    first: float
    last: float
    count: int = 1


@dataclass(slots=True)
class Transcript:
    """The health checks of one container, those that went alike in one entry."""

    port: str
    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _runs: list[_Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def note(self, what: str) -> None:
        """One ping more; ``what`` is "answered 200", "connection refused" or the like."""
        now = self.clock() - self._began
        if self._runs and self._runs[-1].what == what:
            self._runs[-1].last, self._runs[-1].count = now, self._runs[-1].count + 1
            return
        self._runs.append(_Run(what, now, now))
        if len(self._runs) > _MOST_OUTCOMES:  # the first and the last ones tell the story
            del self._runs[_MOST_OUTCOMES // 2]

    def __str__(self) -> str:
        told = "; ".join(f"{run.count} x {run.what} ({run.first:.1f}-{run.last:.1f} s)" for run in self._runs)
        return f"GET /ping on {self.port}: {told or 'not asked'}."


def said_last(file: Path) -> str:
    """The last lines of a container's output; "" when it said nothing."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip()[:_LINE_LENGTH] for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:])
