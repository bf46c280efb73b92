"""How much capacity, as tables (Application Auto Scaling user guide: target tracking, step scaling, cool-downs). Feature row K14."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.neighbours.autoscaling import steps
from sagewright.neighbours.autoscaling.decide import Cooling, Limits, Policy, Watched, adjusted, decide
from sagewright.wire.errors import Fault

WIDE = Limits(0, 100)
NOW = 1000.0


def tracking(state: str, *values: float, target: float = 100.0, name: str = "t", **config: Any) -> Policy:
    """``state``: high, low or ok."""
    upper = Watched("up", "ALARM" if state == "high" else "OK", target, values)
    lower = Watched("down", "ALARM" if state == "low" else "OK", target * 0.9, values)
    return Policy(name, config, True, (upper, lower))


def stepping(value: float, *adjustments: tuple[float | None, float | None, int], **config: Any) -> Policy:
    found = [
        {
            **({} if lower is None else {"MetricIntervalLowerBound": lower}),
            **({} if upper is None else {"MetricIntervalUpperBound": upper}),
            "ScalingAdjustment": change,
        }
        for lower, upper, change in adjustments
    ]
    given = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": found, **config}
    return Policy("s", given, False, (Watched("alarm", "ALARM", 50.0, (value,)),))


def capacity(*policies: Policy, current: int = 2, limits: Limits = WIDE, cooling: Cooling = Cooling()) -> int | None:  # noqa: B008
    found = decide(policies, current, limits, cooling, NOW)
    return None if found is None or found.capacity == current else found.capacity


@pytest.mark.parametrize(
    ("policy", "current", "wanted"),
    [
        (tracking("high", 150.0), 2, 3),
        (tracking("high", 100.1), 2, 3),
        (tracking("high", 500.0), 2, 10),
        (tracking("high", 500.0), 0, 1),
        (tracking("ok", 95.0), 2, None),
        (tracking("low", 50.0), 2, 1),
        (tracking("low", 60.0), 2, None),
        (tracking("low", 10.0, 60.0), 4, 3),
        (tracking("low"), 4, 0),
        (tracking("high", 500.0, 90.0), 2, None),
        (tracking("high"), 2, None),
        (tracking("low", 10.0, DisableScaleIn=True), 4, None),
    ],
)
def test_target_tracking(policy: Policy, current: int, wanted: int | None) -> None:
    """In proportion to metric and target; what is removed leaves the metric below the target."""
    assert capacity(policy, current=current) == wanted


@pytest.mark.parametrize(
    ("limits", "state", "current", "wanted"),
    [
        (Limits(1, 3), "high", 2, 3),
        (Limits(1, 2), "high", 2, None),
        (Limits(2, 9), "low", 4, 2),
        (Limits(2, 9), "low", 2, None),
        (Limits(0, 9, out_suspended=True), "high", 2, None),
        (Limits(0, 9, in_suspended=True), "low", 2, None),
        (Limits(0, 9, in_suspended=True), "high", 2, 9),
    ],
)
def test_bounds_and_suspensions(limits: Limits, state: str, current: int, wanted: int | None) -> None:
    value = 900.0 if state == "high" else 0.0
    assert capacity(tracking(state, value), current=current, limits=limits) == wanted


def test_cool_downs() -> None:
    """Adding: only a larger need adds more. Removing: nothing more is removed, but capacity is added at once."""
    added = Cooling(out_until=NOW + 1, base=2)
    assert capacity(tracking("high", 150.0), current=3, cooling=added) is None
    assert capacity(tracking("high", 250.0), current=3, cooling=added) == 5
    assert capacity(tracking("high", 150.0), current=3, cooling=Cooling(out_until=NOW, base=2)) == 5
    removed = Cooling(in_until=NOW + 1)
    assert capacity(tracking("low", 1.0), current=3, cooling=removed) is None
    assert capacity(tracking("high", 150.0), current=2, cooling=removed) == 3
    assert capacity(stepping(60.0, (0, None, 2)), current=4, cooling=Cooling(NOW + 1, 2)) is None
    assert capacity(stepping(60.0, (0, None, 5)), current=4, cooling=Cooling(NOW + 1, 2)) == 7


def test_several_policies() -> None:
    """The largest capacity wins; target tracking removes only when all of its policies agree."""
    assert capacity(tracking("high", 150.0), tracking("high", 300.0, name="u")) == 6
    assert capacity(tracking("low", 1.0), tracking("high", 300.0, name="u")) == 6
    assert capacity(tracking("low", 1.0), tracking("ok", 95.0, name="u")) is None
    assert capacity(tracking("low", 1.0), tracking("ok", 95.0, name="u", DisableScaleIn=True)) == 1
    assert capacity(tracking("low", 1.0), tracking("low", 50.0, name="u"), current=8) == 4
    assert capacity(tracking("low", 50.0), stepping(40.0, (None, 0, -1)), current=8) == 7


STEPS = ((0, 10, 1), (10, 20, 2), (20, None, 3))
DOWN = ((None, -20, -3), (-20, -10, -2), (-10, 0, -1))


@pytest.mark.parametrize(
    ("value", "table", "wanted"),
    [
        (50.0, STEPS, 6), (59.9, STEPS, 6), (60.0, STEPS, 7), (70.0, STEPS, 8), (500.0, STEPS, 8), (45.0, DOWN, 4), (40.0, DOWN, 3),
        (30.0, DOWN, 2), (0.0, DOWN, 2), (50.0, DOWN, None),
    ],
)  # fmt: skip
def test_steps(value: float, table: tuple[Any, ...], wanted: int | None) -> None:
    """API StepAdjustment: above the threshold the lower bound is inclusive, below it the upper one."""
    assert capacity(stepping(value, *table), current=5) == wanted


@pytest.mark.parametrize(
    ("kind", "adjustment", "current", "more", "wanted"),
    [
        ("ChangeInCapacity", 3, 2, {}, 5),
        ("ChangeInCapacity", -3, 2, {}, 0),
        ("ExactCapacity", 7, 2, {}, 7),
        ("PercentChangeInCapacity", 50, 10, {}, 15),
        ("PercentChangeInCapacity", 10, 2, {}, 3),
        ("PercentChangeInCapacity", 67, 10, {}, 16),
        ("PercentChangeInCapacity", -67, 10, {}, 4),
        ("PercentChangeInCapacity", -10, 2, {}, 1),
        ("PercentChangeInCapacity", 25, 4, {"MinAdjustmentMagnitude": 2}, 6),
    ],
)
def test_adjustments(kind: str, adjustment: int, current: int, more: dict[str, int], wanted: int) -> None:
    """User guide, "Scaling adjustment types": 12.7 is 12, 0.67 is 1, -6.67 is -6, -0.58 is -1."""
    assert adjusted({"AdjustmentType": kind, **more}, adjustment, current) == wanted


def test_how_values_are_put_together() -> None:
    """MetricAggregationType over the alarm's evaluation periods."""
    for kind, wanted in (("Minimum", 6), ("Average", 7), ("Maximum", 8)):
        policy = stepping(0.0, *STEPS, MetricAggregationType=kind)
        watched = Watched("alarm", "ALARM", 50.0, (52.0, 60.0, 80.0))
        assert capacity(Policy("s", policy.config, False, (watched,)), current=5) == wanted
    assert capacity(Policy("s", stepping(0.0, *STEPS).config, False, (Watched("a", "ALARM", 50.0),)), current=5) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"StepAdjustments": [{"ScalingAdjustment": 1}]},
        {"AdjustmentType": "ChangeInCapacity"},
        {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": []},
        {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"ScalingAdjustment": 1}], "MinAdjustmentMagnitude": 1},
        {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{"ScalingAdjustment": 1}], "Cooldown": -1},
        {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [
            {"MetricIntervalLowerBound": 5, "MetricIntervalUpperBound": 1, "ScalingAdjustment": 1}]},
        {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [
            {"MetricIntervalUpperBound": 5, "ScalingAdjustment": 1}, {"MetricIntervalLowerBound": 4, "ScalingAdjustment": 2}]},
        {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [
            {"MetricIntervalUpperBound": 5, "ScalingAdjustment": 1}, {"MetricIntervalLowerBound": 6, "ScalingAdjustment": 2}]},
    ],
)  # fmt: skip
def test_step_policies_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(Fault, match="ValidationException"):
        steps.check(wrong)
