"""What a step scaling policy may say (API StepScalingPolicyConfiguration)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from sagewright.wire.errors import validation

MOST = 20
"""Step adjustments of a policy (Application Auto Scaling quotas)."""


def check(config: Mapping[str, Any]) -> None:
    """Raises ValidationException."""
    if "AdjustmentType" not in config:
        raise validation("AdjustmentType is required for step scaling policies.")
    steps = config.get("StepAdjustments", [])
    if not steps:
        raise validation("At least one StepAdjustment is required.")
    if len(steps) > MOST:
        raise validation(f"There can be at most {MOST} step adjustments.")
    if "MinAdjustmentMagnitude" in config and config["AdjustmentType"] != "PercentChangeInCapacity":
        raise validation("MinAdjustmentMagnitude is valid for PercentChangeInCapacity only.")
    if config.get("Cooldown", 0) < 0:
        raise validation("Cooldown must not be negative.")
    _check_intervals(sorted(_interval(step) for step in steps))


def _interval(step: Mapping[str, Any]) -> tuple[float, float]:
    lower, upper = step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf)
    if not lower < upper:
        raise validation("MetricIntervalLowerBound must be less than MetricIntervalUpperBound.")
    return lower, upper


def _check_intervals(intervals: list[tuple[float, float]]) -> None:
    for (_, upper), (lower, _) in pairwise(intervals):
        if lower < upper:
            raise validation("StepAdjustment intervals can't overlap.")
        if lower > upper:
            raise validation("StepAdjustment intervals can't have gaps between them.")
