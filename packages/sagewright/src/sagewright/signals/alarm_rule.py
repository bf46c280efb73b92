"""When a metric alarm is in which state, pure (CloudWatch user guide, alarm-evaluation and alarms-and-missing-data)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sagewright.signals.alarms import ALARM, INSUFFICIENT_DATA, OK

MISSING, IGNORE, BREACHING, NOT_BREACHING = "missing", "ignore", "breaching", "notBreaching"
EXTRA = 2
"""Datapoints beyond EvaluationPeriods that are fetched: the guide's examples take 5 for 3; AWS does not publish the rule."""

_COMPARED: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
OPERATORS = frozenset(_COMPARED)


class Datapoint(NamedTuple):
    """The value of one period, None where nothing was reported; ``at`` is the period's begin in epoch seconds."""

    at: float
    value: float | None


@dataclass(frozen=True, slots=True)
class Rule:
    """What PutMetricAlarm says about the evaluation. ``wanted`` of the last ``periods`` datapoints make an alarm."""

    comparison: str
    threshold: float
    periods: int
    wanted: int
    missing: str = MISSING

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Rule:
        """From an alarm's spec."""
        periods = spec["EvaluationPeriods"]
        return cls(
            spec["ComparisonOperator"],
            spec["Threshold"],
            periods,
            spec.get("DatapointsToAlarm", periods),
            spec.get("TreatMissingData", MISSING),
        )

    @property
    def reach(self) -> int:
        """How many datapoints ``judge`` wants to see."""
        return self.periods + EXTRA

    def breached(self, value: float) -> bool:
        """Whether a value is on the wrong side of the threshold."""
        return _COMPARED[self.comparison][0](value, self.threshold)


class Verdict(NamedTuple):
    """The state, why, and the datapoints that decided, newest first. ``state`` None: it stays as it is."""

    state: str | None
    reason: str
    datapoints: tuple[Datapoint, ...]


def judge(rule: Rule, datapoints: Sequence[Datapoint]) -> Verdict:
    """``datapoints`` are the latest ``rule.reach`` ones, oldest first, without a gap."""
    newest_first = list(reversed(datapoints))
    real = [(age, point) for age, point in enumerate(newest_first, 1) if point.value is not None]
    used = [point for _, point in real[: rule.periods]]
    bad = sum(rule.breached(point.value) for point in used if point.value is not None)
    absent = rule.periods - len(used)
    if bad >= rule.wanted:
        return _threshold(rule, ALARM, used, 0)
    if absent and rule.missing in (MISSING, IGNORE):
        return _incomplete(rule, used, bad, real[-1][0] if real else 0)
    if rule.missing == BREACHING and bad + absent >= rule.wanted:
        return _threshold(rule, ALARM, used, absent)
    return _threshold(rule, OK, used, absent)


def _incomplete(rule: Rule, used: list[Datapoint], bad: int, oldest: int) -> Verdict:
    """Fewer datapoints than periods, and nothing takes the place of the missing ones. ``oldest`` is the age of the oldest, from 1 on.

    The rule of premature alarms: a lone datapoint on the wrong side decides only when it is as old as the alarm asks for datapoints,
    because until then better ones may still arrive.
    """
    if not used:
        text = f"Insufficient Data: {_count(rule.periods, 'datapoint')} {_were(rule.periods)} unknown."
        return Verdict(None if rule.missing == IGNORE else INSUFFICIENT_DATA, text, ())
    if bad == len(used) and oldest >= rule.wanted:
        premature = _threshold(rule, ALARM, used, 0)
        return premature._replace(state=None) if rule.missing == IGNORE else premature
    return _threshold(rule, OK, used, 0)


def _threshold(rule: Rule, state: str, used: list[Datapoint], filled: int) -> Verdict:
    """Worded as AWS does."""
    if filled and not used:
        treated = "Breaching" if rule.missing == BREACHING else "NonBreaching"
        were = "was" if filled == 1 else "were"
        text = (
            f"Threshold Crossed: no datapoints were received for {_count(filled, 'period')} and "
            f"{_count(filled, 'missing datapoint')} {were} treated as [{treated}]."
        )
        return Verdict(state, text, ())
    told = [point for point in used if point.value is not None and rule.breached(point.value) == (state == ALARM)] or used
    values = ", ".join(f"{point.value} ({_moment(point.at)})" for point in told)
    relation = ("" if state == ALARM else "not ") + _COMPARED[rule.comparison][1]
    text = f"Threshold Crossed: {len(told)} out of the last {_count(rule.periods, 'datapoint')} [{values}] {_were(len(told))} {relation} "
    needed = rule.wanted if state == ALARM else rule.periods - rule.wanted + 1
    turn = "OK -> ALARM" if state == ALARM else "ALARM -> OK"
    text += f"the threshold ({float(rule.threshold)}) (minimum {_count(needed, 'datapoint')} for {turn} transition)."
    return Verdict(state, text, tuple(used))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d/%m/%y %H:%M:%S")
