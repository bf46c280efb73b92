"""How many containers serverless variants need, as the fronts say: in memory, because it is only good for a few minutes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sagewright.base.world import World

IDLE = 300.0
"""Seconds; AWS does not say how long it waits."""
Key = tuple[World, str, str]
"""World, endpoint, variant."""


class Wanted(NamedTuple):
    """So many containers, and when (epoch seconds) it may be less."""

    containers: int
    until: float


@dataclass(slots=True)
class Demand:
    """``idle``: seconds without use after which a container is not needed any more."""

    idle: float = IDLE
    _used: dict[Key, list[float]] = field(default_factory=dict)
    """The n-th time says when n + 1 containers were last needed at once."""

    def need(self, key: Key, count: int, now: float) -> bool:
        """So many are in use or waited for; returns whether that is news to whoever plans."""
        used = self._used.setdefault(key, [])
        news = count > len(used)
        for index in range(count):
            if index < len(used):
                used[index] = now
            else:
                used.append(now)
        return news

    def wanted(self, key: Key, running: int, now: float) -> Wanted:
        """What is needed now. What is not known yet (control has just started) counts as in use."""
        if key not in self._used:
            self.need(key, running, now)
        used = self._used[key]
        while used and now - used[-1] >= self.idle:
            used.pop()
        return Wanted(len(used), min(used) + self.idle if used else float("inf"))

    def forget(self, key: Key) -> None:
        """The variant is gone."""
        self._used.pop(key, None)
