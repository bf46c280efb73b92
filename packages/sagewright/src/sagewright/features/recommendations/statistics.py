"""What a load test has measured, and whether it has seen enough. Pure.

A window is a second or less of one number of users; a stage is everything measured at that number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RISE = 1.05
"""Of a stage over the best before it; when two stages that follow one another have less, the invocations are flat."""


@dataclass(frozen=True, slots=True)
class Stage:
    """``latencies`` in milliseconds of what was answered well within ``seconds``; ``errors`` of all else."""

    users: int
    seconds: float
    latencies: tuple[float, ...] = ()
    errors: int = 0

    @property
    def rate(self) -> float:
        """Invocations a minute."""
        return len(self.latencies) * 60.0 / self.seconds if self.seconds else 0.0

    def latency(self, percent: float) -> float:
        """Milliseconds that this part of the calls does not exceed."""
        return percentile(self.latencies, percent)


@dataclass(frozen=True, slots=True)
class Conditions:
    """RecommendationJobStoppingConditions: ``milliseconds`` at ``percent``, ``invocations`` a minute, stop when ``flat``."""

    percent: float = 95.0
    milliseconds: float = math.inf
    invocations: float = math.inf
    flat: bool = True

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Conditions:
        """From the request; FlatInvocations is Stop unless told (API RecommendationJobStoppingConditions)."""
        threshold: Mapping[str, Any] = next(iter(given.get("ModelLatencyThresholds", ())), {})
        return cls(
            percent=float(str(threshold.get("Percentile", "P95")).removeprefix("P")),
            milliseconds=float(threshold.get("ValueInMilliseconds", math.inf)),
            invocations=float(given.get("MaxInvocations", math.inf)),
            flat=given.get("FlatInvocations", "Stop") == "Stop",
        )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least this part of all does not exceed; infinite without values."""
    if not values:
        return math.inf
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def stages(windows: Sequence[Stage]) -> list[Stage]:
    """Windows that follow one another with the same number of users are one stage."""
    found: list[Stage] = []
    for window in windows:
        if found and found[-1].users == window.users:
            last = found.pop()
            seconds, latencies = last.seconds + window.seconds, last.latencies + window.latencies
            window = Stage(window.users, seconds, latencies, last.errors + window.errors)
        found.append(window)
    return found


def enough(windows: Sequence[Stage], conditions: Conditions, stage_is_over: bool) -> str:
    """Why the test ends now, or nothing. That invocations are flat is told at the end of a stage only."""
    found = stages(windows)
    last = found[-1]
    if last.latency(conditions.percent) > conditions.milliseconds and last.latencies:
        return "ModelLatencyThresholds"
    if last.rate >= conditions.invocations:
        return "MaxInvocations"
    return "FlatInvocations" if conditions.flat and stage_is_over and _is_flat(found) else ""


def _is_flat(found: Sequence[Stage]) -> bool:
    """One stage alone may have had a bad second."""
    if len(found) < 3 or not found[-3].users < found[-2].users < found[-1].users:
        return False
    return max(found[-2].rate, found[-1].rate) < RISE * max(stage.rate for stage in found[:-2])


def best(windows: Sequence[Stage], conditions: Conditions) -> Stage | None:
    """The stage with most invocations that kept the threshold, else the fastest; None: every stage had errors."""
    clean = [stage for stage in stages(windows) if not stage.errors and stage.latencies]
    kept = [stage for stage in clean if stage.latency(conditions.percent) <= conditions.milliseconds]
    if kept:
        return max(kept, key=lambda stage: stage.rate)
    return min(clean, key=lambda stage: stage.latency(conditions.percent), default=None)
