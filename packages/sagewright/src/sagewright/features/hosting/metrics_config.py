"""The MetricsConfig of an endpoint configuration (API MetricsConfig; DG monitoring-cloudwatch-enhanced-metrics)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.serving.definition import not_yet
from sagewright.wire.errors import validation

FREQUENCIES = (10, 30, 60, 120, 180, 240, 300)


def check_metrics(spec: Mapping[str, Any]) -> None:
    """Refuses what cannot be, and what is not there yet. Raises Fault."""
    config = spec.get("MetricsConfig", {})
    if config.get("EnableDetailedObservability"):
        what = "MetricsConfig.EnableDetailedObservability (OpenTelemetry metrics and PromQL in CloudWatch)"
        raise validation(f"{not_yet(what)} Set it to false or leave it out.")
    seconds = config.get("MetricPublishFrequencyInSeconds", FREQUENCIES[0])
    if seconds not in FREQUENCIES:
        # The constraint is documented and not in the model; the words are those of the constraints that are.
        raise validation(
            f"1 validation error detected: Value '{seconds}' at 'metricsConfig.metricPublishFrequencyInSeconds' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(map(str, FREQUENCIES))}]"
        )
    if is_enhanced(config) and any("ServerlessConfig" in variant for variant in spec["ProductionVariants"]):
        # The guide: for real-time endpoints. Serverless ones have no instances to tell apart; the words are ours.
        raise validation("Serverless endpoints do not support enhanced metrics.")


def is_enhanced(config: Mapping[str, Any]) -> bool:
    """Whether instances are told apart."""
    return bool(config.get("EnableEnhancedMetrics"))


def of_use(config: Mapping[str, Any]) -> float:
    """Seconds between two points of the use of instances; 0 where nothing is said."""
    return float(config.get("MetricPublishFrequencyInSeconds", 0))


def of_invocations(config: Mapping[str, Any]) -> float:
    """Seconds between two points of what is counted of calls; 0 where nothing is said, or only of the use of instances."""
    return of_use(config) if is_enhanced(config) else 0.0
