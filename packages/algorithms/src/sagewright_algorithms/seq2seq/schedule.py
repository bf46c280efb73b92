"""The learning rate over checkpoints, and when they no longer help."""

from __future__ import annotations

PLATEAU, INVERSE = "plateau_reduce", "fixed_rate_inv_t"


class Progress:
    """Checkpoints by their metric. ``larger``: larger is better."""

    def __init__(self, larger: bool) -> None:
        self._sign = 1 if larger else -1
        self._best: float | None = None
        self.idle = 0
        """Checkpoints since the best one."""

    def note(self, value: float) -> bool:
        """Whether it is the best one so far; the first one is, whatever it says."""
        better = self._best is None or self._sign * value > self._best
        self._best = self._sign * value if better else self._best
        self.idle = 0 if better else self.idle + 1
        return better


class LearningRate:
    """lr_scheduler_type. ``half_life`` is in updates: after so many of them the fixed rates are half of ``start``."""

    def __init__(self, kind: str, start: float, factor: float, threshold: int, half_life: int) -> None:
        self._kind, self._start, self._half_life = kind, start, half_life
        self._factor, self._threshold = factor, threshold
        self._reduced = start

    def at(self, update: int) -> float:
        """For the update with this number, from 0."""
        if self._kind == PLATEAU:
            return self._reduced
        lives = update / self._half_life
        return self._start / (1 + lives) if self._kind == INVERSE else self._start / (1 + 3 * lives) ** 0.5

    def checkpoint(self, idle: int) -> bool:
        """After a checkpoint, ``idle`` of them after the best one. Whether the rate is reduced."""
        if self._kind != PLATEAU or not idle or idle % self._threshold:
            return False
        self._reduced *= self._factor
        return True
