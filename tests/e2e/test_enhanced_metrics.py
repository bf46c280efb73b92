"""Two instances on a real server, each with metrics of its own every ten seconds. DG monitoring-cloudwatch-enhanced-metrics; K18, O09."""

from __future__ import annotations

from typing import Any

import pytest
from support.jobs import wait_for_endpoint
from support.load import serve_xgboost
from support.server import Server, eventually, running_server

CALLS = 20
EVERY = {"StartTime": "2020-01-01T00:00:00Z", "EndTime": "2100-01-01T00:00:00Z"}


def of_instances(server: Server, namespace: str, name: str) -> dict[str, list[dict[str, str]]]:
    """The dimensions of a metric by InstanceId."""
    listed = server.client("cloudwatch").list_metrics(
        Namespace=namespace, MetricName=name, Dimensions=[{"Name": "EndpointName", "Value": "e"}, {"Name": "InstanceId"}]
    )["Metrics"]
    return {pair["Value"]: each["Dimensions"] for each in listed for pair in each["Dimensions"] if pair["Name"] == "InstanceId"}


def points(server: Server, namespace: str, name: str, dimensions: list[dict[str, str]], statistic: str) -> dict[float, float]:
    """By the epoch second, of the last hour."""
    found = server.client("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {
                "Id": "m",
                "MetricStat": {
                    "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions},
                    "Period": 1,
                    "Stat": statistic,
                },
            }
        ],
        **EVERY,
    )["MetricDataResults"][0]
    return {at.timestamp(): value for at, value in zip(found["Timestamps"], found["Values"], strict=True)}


@pytest.mark.slow
def test_each_of_two_instances_is_told_every_ten_seconds() -> None:
    """Enhanced metrics come with an update of the endpoint; an alarm on one instance works like any other."""
    with running_server() as server:
        serve_xgboost(server, "e")
        sagemaker, runtime = server.client("sagemaker"), server.client("sagemaker-runtime")
        variant = {"VariantName": "v", "ModelName": "e", "InitialInstanceCount": 2, "InstanceType": "ml.m5.large"}
        config: dict[str, Any] = {"EnableEnhancedMetrics": True, "MetricPublishFrequencyInSeconds": 10}
        sagemaker.create_endpoint_config(EndpointConfigName="enhanced", ProductionVariants=[variant], MetricsConfig=config)
        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="enhanced")
        assert wait_for_endpoint(sagemaker, "e")["MetricsConfig"] == config
        for _ in range(CALLS):
            runtime.invoke_endpoint(EndpointName="e", ContentType="text/csv", Body=b"5,1")

        def counts() -> dict[str, float]:
            found = of_instances(server, "AWS/SageMaker", "Invocations").items()
            return {name: sum(points(server, "AWS/SageMaker", "Invocations", each, "Sum").values()) for name, each in found}

        eventually(lambda: sum(counts().values()) == CALLS, 30, lambda: str(counts()))
        assert list(counts().values()) == [CALLS / 2, CALLS / 2]
        streams = server.client("logs").describe_log_streams(logGroupName="/aws/sagemaker/Endpoints/e")["logStreams"]
        assert counts().keys() <= {stream["logStreamName"].partition("/")[2] for stream in streams}
        one, dimensions = next(iter(of_instances(server, "AWS/SageMaker", "Invocations").items()))
        assert all(at % 10 == 0 for at in points(server, "AWS/SageMaker", "Invocations", dimensions, "Sum")), one

        def used() -> dict[str, dict[float, float]]:
            found = of_instances(server, "/aws/sagemaker/Endpoints", "CPUUtilization").items()
            return {name: points(server, "/aws/sagemaker/Endpoints", "CPUUtilization", each, "Average") for name, each in found}

        eventually(lambda: used().keys() == counts().keys() and used(), 40, lambda: str(used()))
        server.client("cloudwatch").put_metric_alarm(
            AlarmName="one", Namespace="AWS/SageMaker", MetricName="Invocations", Dimensions=dimensions, Statistic="Sum",
            Period=10, EvaluationPeriods=3, DatapointsToAlarm=1, Threshold=1.0, TreatMissingData="notBreaching",
            ComparisonOperator="GreaterThanOrEqualToThreshold",
        )  # fmt: skip

        def state() -> str:
            runtime.invoke_endpoint(EndpointName="e", ContentType="text/csv", Body=b"5,1")
            (alarm,) = server.client("cloudwatch").describe_alarms(AlarmNames=["one"])["MetricAlarms"]
            return str(alarm["StateValue"])

        eventually(lambda: state() == "ALARM", 60, state)
