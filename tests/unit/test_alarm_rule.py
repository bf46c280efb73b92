"""When an alarm is in which state: CloudWatch's own tables (user guide, alarms-and-missing-data), every operator, M out of N. Feature row O09."""

from __future__ import annotations

import pytest

from sagewright.signals.alarm_rule import Datapoint, Rule, judge
from sagewright.signals.alarm_window import next_look, window_end

KEEP = None
WAYS = ("missing", "ignore", "breaching", "notBreaching")
THREE_OF_THREE = [
    ("0-X-X", ("OK", "OK", "OK", "OK")),
    ("0----", ("OK", "OK", "OK", "OK")),
    ("-----", ("INSUFFICIENT_DATA", KEEP, "ALARM", "OK")),
    ("0XX-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("--X--", ("ALARM", KEEP, "ALARM", "OK")),
    ("----X", ("OK", "OK", "ALARM", "OK")),
    ("---X-", ("OK", "OK", "ALARM", "OK")),
    ("XXX00", ("OK", "OK", "OK", "OK")),
]
TWO_OF_THREE = [
    ("0-X-X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("00X0X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    ("0-X--", ("OK", "OK", "ALARM", "OK")),
    ("----0", ("OK", "OK", "ALARM", "OK")),
    ("---X-", ("ALARM", KEEP, "ALARM", "OK")),
]


def points(text: str) -> list[Datapoint]:
    values = {"0": 1.0, "X": 9.0, "-": None}
    return [Datapoint(1_800_000_000.0 + 60 * index, values[letter]) for index, letter in enumerate(text)]


@pytest.mark.parametrize(
    ("wanted", "text", "states"),
    [(3, *row) for row in THREE_OF_THREE] + [(2, *row) for row in TWO_OF_THREE],
)
def test_missing_data(wanted: int, text: str, states: tuple[str | None, ...]) -> None:
    """0 is within the threshold, X is not, - is missing; the newest on the right."""
    rules = [Rule("GreaterThanThreshold", 5.0, 3, wanted, way) for way in WAYS]
    assert tuple(judge(rule, points(text)).state for rule in rules) == states


@pytest.mark.parametrize(
    ("operator", "states"),
    [
        ("GreaterThanThreshold", ("OK", "OK", "ALARM")),
        ("GreaterThanOrEqualToThreshold", ("OK", "ALARM", "ALARM")),
        ("LessThanThreshold", ("ALARM", "OK", "OK")),
        ("LessThanOrEqualToThreshold", ("ALARM", "ALARM", "OK")),
    ],
)
def test_operators(operator: str, states: tuple[str, ...]) -> None:
    """API PutMetricAlarm, ComparisonOperator: below, at and above the threshold."""
    rule = Rule(operator, 5.0, 1, 1)
    assert tuple(judge(rule, [Datapoint(0.0, value)]).state for value in (4.0, 5.0, 6.0)) == states


def test_reasons() -> None:
    """StateReason in AWS's words."""
    rule = Rule("GreaterThanThreshold", 5.0, 3, 2)
    assert judge(rule, points("00X0X")).reason == (
        "Threshold Crossed: 2 out of the last 3 datapoints [9.0 (15/01/27 08:04:00), 9.0 (15/01/27 08:02:00)] were greater than the "
        "threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )
    assert judge(rule, points("00000")).reason.endswith(
        "were not greater than the threshold (5.0) (minimum 2 datapoints for ALARM -> OK transition)."
    )
    assert judge(rule, points("-----")).reason == "Insufficient Data: 3 datapoints were unknown."
    assert judge(Rule("GreaterThanThreshold", 5.0, 1, 1, "breaching"), points("---")).reason == (
        "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [Breaching]."
    )


@pytest.mark.parametrize(
    ("period", "now", "end", "following"),
    [
        (60, 119.9, 60.0, 120.5),
        (60, 120.5, 120.0, 180.5),
        (300, 130.0, 120.0, 180.5),
        (30, 25.0, 20.0, 30.5),
        (1, 7.6, 7.0, 8.5),
    ],
)
def test_when(period: int, now: float, end: float, following: float) -> None:
    """Every minute, every ten seconds for high resolution (user guide, alarm-evaluation), as soon as the data is complete."""
    assert window_end(period, now) == end
    assert next_look(period, now) == following
