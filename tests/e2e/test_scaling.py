"""An endpoint under real load grows from one instance to two and shrinks again. Feature rows K14, K18, O09."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.load import load, serve_xgboost
from support.server import Server, eventually, running_server

TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/busy/variant/v",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(scaling_period=1, metrics_seconds=1.0) as started:
        serve_xgboost(started, "busy")
        yield started


def count(server: Server) -> int:
    (variant,) = server.client("sagemaker").describe_endpoint(EndpointName="busy")["ProductionVariants"]
    return int(variant["CurrentInstanceCount"])


def statistic(server: Server, namespace: str, name: str, kind: str = "Maximum") -> float:
    """Of the whole time so far; 0 when there is nothing."""
    query = {
        "Id": "m",
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{"Name": "EndpointName", "Value": "busy"}, {"Name": "VariantName", "Value": "v"}],
            },
            "Period": 86400,
            "Stat": kind,
        },
    }
    found = server.client("cloudwatch").get_metric_data(
        MetricDataQueries=[query], StartTime="2020-01-01T00:00:00Z", EndTime="2100-01-01T00:00:00Z"
    )
    return float(max(found["MetricDataResults"][0]["Values"], default=0.0))


def test_from_one_to_two_and_back(server: Server) -> None:
    """Target tracking adds an instance; a policy of steps on the user's own alarm removes it. Not one call fails."""
    scaling, cloudwatch = server.client("application-autoscaling"), server.client("cloudwatch")
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=2)
    tracking: dict[str, Any] = {
        "TargetValue": 600.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "ScaleOutCooldown": 0,
        "DisableScaleIn": True,
    }
    scaling.put_scaling_policy(
        PolicyName="out", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=tracking, **TARGET
    )
    with load(server, "busy") as problems:
        eventually(
            lambda: count(server) == 2, 60, lambda: str(scaling.describe_scaling_activities(ServiceNamespace="sagemaker"))
        )
        (activity,) = eventually(
            lambda: [
                found
                for found in scaling.describe_scaling_activities(ServiceNamespace="sagemaker")["ScalingActivities"]
                if found["StatusCode"] == "Successful"
            ]
        )
        assert activity["Description"] == "Setting desired instance count to 2."
        assert "AlarmHigh" in activity["Cause"]
        eventually(lambda: statistic(server, "/aws/sagemaker/Endpoints", "CPUUtilization") > 0, 30)
    assert problems == []
    assert 0 < statistic(server, "AWS/SageMaker", "InvocationsPerInstance", "Minimum") <= 0.5, "two share the calls"
    assert statistic(server, "/aws/sagemaker/Endpoints", "MemoryUtilization") > 0

    steps = {"AdjustmentType": "ExactCapacity", "StepAdjustments": [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": 1}]}
    policy = scaling.put_scaling_policy(
        PolicyName="in", PolicyType="StepScaling", StepScalingPolicyConfiguration={**steps, "Cooldown": 0}, **TARGET
    )["PolicyARN"]
    cloudwatch.put_metric_alarm(
        AlarmName="idle", Namespace="Test", MetricName="Work", Statistic="Sum", Period=1, EvaluationPeriods=2, DatapointsToAlarm=1,
        Threshold=5.0, ComparisonOperator="LessThanThreshold", AlarmActions=[policy],
    )  # fmt: skip

    def shrunk() -> bool:
        cloudwatch.put_metric_data(Namespace="Test", MetricData=[{"MetricName": "Work", "Value": 1.0}])
        return count(server) == 1

    eventually(shrunk, 60)
