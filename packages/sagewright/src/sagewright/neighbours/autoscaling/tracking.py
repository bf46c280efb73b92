"""The alarms of target tracking: one above the target, one below, as Application Auto Scaling makes and removes them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.neighbours.autoscaling.capacity import CONCURRENCY, COPIES, INSTANCES, dimensions
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

MINUTE = 60
HIGH_PERIODS, LOW_PERIODS = 3, 15
"""Minutes above the target until capacity is added, and below until some is removed (SageMaker DG, endpoint-auto-scaling-policy)."""
LOWER = 0.9
"""The lower alarm's threshold as a part of the target: what AWS's alarms show."""
FINE = 10
"""Seconds of the high-resolution metrics' periods."""


@dataclass(frozen=True, slots=True)
class Predefined:
    """A predefined metric: its dimension, name and statistic. ``rate``: counted per minute. ``fine``: of high resolution."""

    dimension: str
    metric: str
    statistic: str
    rate: bool = False
    fine: bool = False


PREDEFINED: Mapping[str, Predefined] = {
    "SageMakerVariantInvocationsPerInstance": Predefined(INSTANCES, "InvocationsPerInstance", "Sum", rate=True),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": Predefined(
        INSTANCES, "ConcurrentRequestsPerModel", "Maximum", fine=True
    ),
    "SageMakerVariantProvisionedConcurrencyUtilization": Predefined(
        CONCURRENCY, "ServerlessProvisionedConcurrencyUtilization", "Maximum"
    ),
    "SageMakerInferenceComponentInvocationsPerCopy": Predefined(COPIES, "InvocationsPerCopy", "Sum", rate=True),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": Predefined(
        COPIES, "ConcurrentRequestsPerCopy", "Maximum", fine=True
    ),
}
"""The statistics follow from the valid ones of each metric (SageMaker DG, monitoring-cloudwatch)."""


def alarms(policy: Mapping[str, Any], arn: str, minute: int) -> tuple[Document, Document]:
    """Requests of PutMetricAlarm for the upper and the lower alarm.

    ``minute`` (seconds) stands for AWS's minute: shorter ones scale sooner, and what is counted per minute counts accordingly.
    """
    config = policy["TargetTrackingScalingPolicyConfiguration"]
    known = PREDEFINED.get(config.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", ""))
    period = min(FINE, minute) if known is not None and known.fine else minute
    target = config["TargetValue"] * (minute / MINUTE if known is not None and known.rate else 1)
    measured = _custom(config["CustomizedMetricSpecification"], period) if known is None else _metric(policy, known, period)
    # A quiet endpoint tells nothing, where AWS's tells zero; what the user measures is not guessed.
    quiet = ("missing", "missing") if known is None else ("notBreaching", "breaching")
    common: Document = {
        **measured,
        "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {arn}.",
        "AlarmActions": [arn],
        "ActionsEnabled": True,
    }
    number = f"{uuid.uuid4()}"
    name = f"TargetTracking-{policy['ResourceId']}-Alarm{{}}-{number}"
    low = max(1, round(LOW_PERIODS * minute / period))
    upper = {
        **common,
        "AlarmName": name.format("High"),
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": target,
        "EvaluationPeriods": HIGH_PERIODS,
        "TreatMissingData": quiet[0],
    }
    lower = {
        **common,
        "AlarmName": name.format("Low"),
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": target * LOWER,
        "EvaluationPeriods": low,
        "TreatMissingData": quiet[1],
    }
    return upper, lower


def check(policy: Mapping[str, Any]) -> None:
    """Raises ValidationException for a configuration that cannot be."""
    config = policy["TargetTrackingScalingPolicyConfiguration"]
    predefined, customized = config.get("PredefinedMetricSpecification"), config.get("CustomizedMetricSpecification")
    if (predefined is None) == (customized is None):
        raise _invalid("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified.")
    if config["TargetValue"] <= 0:
        raise _invalid("The target value must be greater than 0.")
    if predefined is not None:
        known = PREDEFINED.get(predefined["PredefinedMetricType"])
        if known is None or known.dimension != policy["ScalableDimension"]:
            raise _invalid(
                f"Predefined metric type {predefined['PredefinedMetricType']} is not supported for scalable dimension "
                f"{policy['ScalableDimension']}."
            )
        if "ResourceLabel" in predefined:
            raise _invalid("ResourceLabel is supported for ALBRequestCountPerTarget only.")
    elif "Metrics" not in customized:
        for member in ("MetricName", "Namespace", "Statistic"):
            if member not in customized:
                raise _invalid(f"CustomizedMetricSpecification must have {member}.")
    for member in ("ScaleOutCooldown", "ScaleInCooldown"):
        if config.get(member, 0) < 0:
            raise _invalid(f"{member} must not be negative.")


def _metric(policy: Mapping[str, Any], known: Predefined, period: int) -> Document:
    parts = dimensions(policy["ResourceId"], policy["ScalableDimension"])
    words = {"endpoint": "EndpointName", "variant": "VariantName", "component": "InferenceComponentName"}
    return {
        "Namespace": "AWS/SageMaker",
        "MetricName": known.metric,
        "Dimensions": [{"Name": words[part], "Value": value} for part, value in parts.items()],
        "Statistic": known.statistic,
        "Period": period,
    }


def _custom(asked: Mapping[str, Any], period: int) -> Document:
    if "Metrics" in asked:
        return {"Metrics": [_query(query, period) for query in asked["Metrics"]]}
    return {
        member: asked[member] for member in ("Namespace", "MetricName", "Dimensions", "Statistic", "Unit") if member in asked
    } | {"Period": period}


def _query(query: Mapping[str, Any], period: int) -> Document:
    if "MetricStat" not in query:
        return dict(query)
    return {**query, "MetricStat": {**query["MetricStat"], "Period": period}}


def _invalid(text: str) -> Fault:
    return Fault("ValidationException", text)
