"""A part of a fleet, as deployment policies name it (API CapacitySize, InferenceComponentCapacitySize). Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Size:
    """A percentage, or a number of instances or copies."""

    value: int
    percent: bool

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Size:
        """From the request."""
        return cls(document["Value"], document["Type"] == "CAPACITY_PERCENT")

    def share(self, count: int, times: int = 1) -> float:
        """The part of ``count`` after so many steps, at most 1."""
        return min(1.0, times * self.value / (100 if self.percent else max(count, 1)))

    def instances(self, count: int) -> int:
        """In whole ones, at least one."""
        return max(1, math.floor(count * self.value / 100) if self.percent else min(self.value, count))


WHOLE = Size(100, True)
