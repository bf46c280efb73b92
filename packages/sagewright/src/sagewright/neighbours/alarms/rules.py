"""What PutMetricAlarm refuses (API reference)."""

from __future__ import annotations

from sagewright.neighbours.metric_data import mapping
from sagewright.neighbours.requests import refuse
from sagewright.signals import metrics, queries
from sagewright.signals.alarm_rule import BREACHING, IGNORE, MISSING, NOT_BREACHING, OPERATORS
from sagewright.signals.alarm_window import returned
from sagewright.signals.math_syntax import MathError
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

_CODE = "ValidationError"
MOST_QUERIES = 20
"""Of an alarm (CloudWatch user guide: an expression of an alarm may have ten metrics)."""
_DAY, _WEEK = 86_400, 604_800


def check(request: Document) -> None:
    """Raises Fault for a metric alarm that cannot be."""
    refuse(
        request,
        _CODE,
        "ThresholdMetricId",
        "WarmUpConfiguration",
        "EvaluationCriteria",
        "EvaluationInterval",
        "ActionConfiguration",
    )
    refuse(request.get("EvaluationWindow", {}), _CODE, "WallClockWindow")
    for member in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if member not in request:
            raise _invalid(f"The parameter {member} is required.")
    if request["ComparisonOperator"] not in OPERATORS:
        raise _invalid(f"Sagewright does not support {request['ComparisonOperator']}: there are no anomaly detection models.")
    if request.get("TreatMissingData", MISSING) not in (MISSING, IGNORE, BREACHING, NOT_BREACHING):
        raise _invalid(f"The value {request['TreatMissingData']} for parameter TreatMissingData is not supported.")
    if request.get("EvaluateLowSampleCountPercentile", "evaluate") != "evaluate":
        raise _invalid("Sagewright supports EvaluateLowSampleCountPercentile evaluate only.")
    if request.get("DatapointsToAlarm", 1) > request["EvaluationPeriods"]:
        raise _invalid("Metric Alarm DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
    _check_metric(request)


def check_range(period: int, periods: int) -> None:
    """The longest time that an alarm looks back (API PutMetricAlarm, EvaluationPeriods)."""
    longest = _DAY if period < 3600 else _WEEK
    if period * periods > longest:
        raise _invalid(
            f"Metrics cannot be checked across more than {'a day' if longest == _DAY else 'seven days'} (EvaluationPeriods * Period must be <= {longest})."
        )


def check_period(period: int) -> None:
    """10, 20, 30 or a multiple of 60 on AWS; here also 1 and 5, which points are kept for."""
    if period not in (1, 5, 10, 20, 30) and period % 60:
        raise _invalid("Period must be 10, 20, 30 or a multiple of 60.")


def check_statistic(name: str) -> None:
    """Raises Fault for a statistic that cannot be told."""
    try:
        metrics.refuse_unknown(name)
    except ValueError:
        raise _invalid(f"The value {name} for parameter ExtendedStatistic is not supported.") from None


def _check_metric(request: Document) -> None:
    if request.get("Metrics"):
        _check_math(request)
        return
    for member in ("MetricName", "Namespace", "Period"):
        if member not in request:
            raise _invalid(f"The parameter {member} is required.")
    if ("Statistic" in request) == ("ExtendedStatistic" in request):
        raise Fault("InvalidParameterCombination", "Exactly one of Statistic and ExtendedStatistic must be specified.")
    if "ExtendedStatistic" in request:
        check_statistic(request["ExtendedStatistic"])
    mapping(request.get("Dimensions", []))
    check_period(request["Period"])
    check_range(request["Period"], request["EvaluationPeriods"])


def _check_math(request: Document) -> None:
    """Metrics and expressions over them, of which one is watched."""
    for member in ("MetricName", "Namespace", "Period", "Statistic", "ExtendedStatistic", "Dimensions", "Unit"):
        if request.get(member):
            raise Fault("InvalidParameterCombination", f"The parameter {member} cannot be used together with Metrics.")
    asked = request["Metrics"]
    if len(asked) > MOST_QUERIES:
        raise _invalid(f"An alarm can have at most {MOST_QUERIES} metrics and expressions.")
    try:
        queries.check(asked)
        period = queries.period_of(asked)
    except MathError as problem:
        raise _invalid(f"Error in metrics: {problem}.") from None
    if len(returned(asked)) != 1:
        raise _invalid("Exactly one element of Metrics must have ReturnData true.")
    for query in asked:
        refuse(query, _CODE, "AccountId")
        if "MetricStat" in query:
            check_statistic(query["MetricStat"]["Stat"])
            mapping(query["MetricStat"]["Metric"].get("Dimensions", []))
    check_period(period)
    check_range(period, request["EvaluationPeriods"])


def _invalid(text: str) -> Fault:
    return Fault(_CODE, text)
