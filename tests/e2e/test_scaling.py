"""An endpoint under real load grows from one instance to two and shrinks again. Feature rows K14, K18, O09."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.jobs import bucket, wait_for_endpoint
from support.load import load, serve_xgboost
from support.server import ROLE, Server, eventually, running_server

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


def count(server: Server, endpoint: str = "busy") -> int:
    (variant,) = server.client("sagemaker").describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
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


def wake_on(server: Server, target: dict[str, str], metric: str, dimensions: dict[str, str]) -> None:
    """One more as soon as the metric says that there is none, by steps on an alarm."""
    config = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
        "MetricAggregationType": "Maximum",
    }
    policy = server.client("application-autoscaling").put_scaling_policy(
        PolicyName="wake", PolicyType="StepScaling", StepScalingPolicyConfiguration=config, **target
    )["PolicyARN"]
    server.client("cloudwatch").put_metric_alarm(
        AlarmName=f"wakes-{metric}",
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        Statistic="Maximum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[policy],
    )


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


@pytest.mark.slow
def test_an_asynchronous_endpoint_sleeps_and_wakes(server: Server) -> None:
    """To no instance by a scheduled action, and back by an alarm on HasBacklogWithoutCapacity (DG async-inference-autoscale)."""
    scaling, sagemaker = (server.client(name) for name in ("application-autoscaling", "sagemaker"))
    store = bucket(server, "sleeping")
    variant = {"VariantName": "v", "ModelName": "busy", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(
        EndpointConfigName="sleeping",
        ProductionVariants=[variant],
        AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": f"s3://{store}/out"}},
    )
    sagemaker.create_endpoint(EndpointName="sleeping", EndpointConfigName="sleeping")
    assert (
        wait_for_endpoint(sagemaker, "sleeping")["AsyncInferenceConfig"]["OutputConfig"]["S3OutputPath"] == f"s3://{store}/out"
    )
    target = {**TARGET, "ResourceId": "endpoint/sleeping/variant/v"}
    scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=1)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    scaling.put_scheduled_action(
        ScheduledActionName="sleep",
        Schedule="rate(1 day)",
        StartTime=soon,
        ScalableTargetAction={"MaxCapacity": 0},
        **target,
    )

    def instances() -> int:
        (found,) = sagemaker.describe_endpoint(EndpointName="sleeping")["ProductionVariants"]
        return int(found["CurrentInstanceCount"])

    eventually(lambda: instances() == 0, 60)
    scaling.delete_scheduled_action(ScheduledActionName="sleep", **target)
    scaling.register_scalable_target(**target, MaxCapacity=1)
    wake_on(server, target, "HasBacklogWithoutCapacity", {"EndpointName": "sleeping"})
    server.client("s3").put_object(Bucket=store, Key="in", Body=b"5,1", ContentType="text/csv")
    answer = server.client("sagemaker-runtime").invoke_endpoint_async(EndpointName="sleeping", InputLocation=f"s3://{store}/in")
    key = answer["OutputLocation"].removeprefix(f"s3://{store}/")
    prediction = eventually(lambda: _read(server, store, key), 150)
    assert float(prediction) == pytest.approx(5.0, abs=0.3)
    assert instances() == 1


@pytest.mark.slow
def test_an_inference_component_wakes(server: Server) -> None:
    """From no copies and no instances by an alarm on NoCapacityInvocationFailures (DG endpoint-auto-scaling-zero-instances)."""
    scaling, sagemaker = (server.client(name) for name in ("application-autoscaling", "sagemaker"))
    managed = {"Status": "ENABLED", "MinInstanceCount": 0, "MaxInstanceCount": 1}
    host = {"VariantName": "v", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large", "ManagedInstanceScaling": managed}
    sagemaker.create_endpoint_config(EndpointConfigName="host", ProductionVariants=[host], ExecutionRoleArn=ROLE)
    sagemaker.create_endpoint(EndpointName="host", EndpointConfigName="host")
    assert wait_for_endpoint(sagemaker, "host")["EndpointStatus"] == "InService"
    needs = {"NumberOfCpuCoresRequired": 1, "MinMemoryRequiredInMb": 512}
    sagemaker.create_inference_component(
        InferenceComponentName="copy",
        EndpointName="host",
        VariantName="v",
        Specification={"ModelName": "busy", "ComputeResourceRequirements": needs},
        RuntimeConfig={"CopyCount": 0},
    )
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "inference-component/copy",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }

    def status() -> str:
        return str(sagemaker.describe_inference_component(InferenceComponentName="copy")["InferenceComponentStatus"])

    eventually(lambda: status() == "InService", 60)
    scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=1)
    wake_on(server, target, "NoCapacityInvocationFailures", {"InferenceComponentName": "copy"})
    runtime = server.client("sagemaker-runtime")

    def answer() -> bytes:
        try:
            found = runtime.invoke_endpoint(
                EndpointName="host", InferenceComponentName="copy", ContentType="text/csv", Body=b"5,1"
            )
        except runtime.exceptions.ClientError as error:
            if "has no capacity" not in str(error):
                raise
            return b""
        return bytes(found["Body"].read())

    assert float(eventually(answer, 120)) == pytest.approx(5.0, abs=0.3)
    assert eventually(lambda: count(server, "host")) == 1


def _read(server: Server, store: str, key: str) -> bytes:
    """Nothing while it is not there."""
    s3 = server.client("s3")
    found = [entry["Key"] for entry in s3.list_objects_v2(Bucket=store, Prefix=key).get("Contents", [])]
    return bytes(s3.get_object(Bucket=store, Key=key)["Body"].read()) if key in found else b""


def alarmed(server: Server, target: dict[str, str], capacity: int) -> None:
    """A policy of steps sets the capacity, because a metric of the user's own says so."""
    scaling, cloudwatch = server.client("application-autoscaling"), server.client("cloudwatch")
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    step = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": capacity}
    config = {"AdjustmentType": "ExactCapacity", "StepAdjustments": [step], "Cooldown": 0}
    policy = scaling.put_scaling_policy(
        PolicyName=f"to-{capacity}", PolicyType="StepScaling", StepScalingPolicyConfiguration=config, **target
    )
    name = f"{target['ResourceId'].replace('/', '-')}-{capacity}"
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace="Test", MetricName=name, Statistic="Sum", Period=1, EvaluationPeriods=2, DatapointsToAlarm=1,
        Threshold=5.0, ComparisonOperator="GreaterThanThreshold", AlarmActions=[policy["PolicyARN"]],
    )  # fmt: skip
    cloudwatch.put_metric_data(Namespace="Test", MetricData=[{"MetricName": name, "Value": 10.0}])


@pytest.mark.slow
def test_provisioned_concurrency_follows_a_policy(server: Server) -> None:
    """API RegisterScalableTarget, sagemaker:variant:DesiredProvisionedConcurrency, with the real containers of a variant (K03)."""
    sagemaker = server.client("sagemaker")
    config = {"MemorySizeInMB": 1024, "MaxConcurrency": 4, "ProvisionedConcurrency": 1}
    variant = {"VariantName": "v", "ModelName": "busy", "ServerlessConfig": config}
    sagemaker.create_endpoint_config(EndpointConfigName="provisioned", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="provisioned", EndpointConfigName="provisioned")
    assert wait_for_endpoint(sagemaker, "provisioned")["EndpointStatus"] == "InService"

    def shown() -> tuple[str, int]:
        found = sagemaker.describe_endpoint(EndpointName="provisioned")
        (described,) = found["ProductionVariants"]
        return found["EndpointStatus"], described["CurrentServerlessConfig"]["ProvisionedConcurrency"]

    assert shown() == ("InService", 1)
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/provisioned/variant/v",
        "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency",
    }
    for capacity in (2, 1):
        alarmed(server, target, capacity)
        eventually(lambda capacity=capacity: shown() == ("InService", capacity), 60, lambda: str(shown()))  # type: ignore[misc]
    runtime = server.client("sagemaker-runtime")
    assert runtime.invoke_endpoint(EndpointName="provisioned", ContentType="text/csv", Body=b"5,1")["Body"].read()


@pytest.mark.slow
def test_copies_of_a_component_follow_a_policy(server: Server) -> None:
    """API RegisterScalableTarget, sagemaker:inference-component:DesiredCopyCount, with real copies (K06)."""
    sagemaker = server.client("sagemaker")
    host = {"VariantName": "v", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="hosts", ProductionVariants=[host], ExecutionRoleArn=ROLE)
    sagemaker.create_endpoint(EndpointName="hosts", EndpointConfigName="hosts")
    assert wait_for_endpoint(sagemaker, "hosts")["EndpointStatus"] == "InService"
    sagemaker.create_inference_component(
        InferenceComponentName="copied",
        EndpointName="hosts",
        VariantName="v",
        Specification={"ModelName": "busy", "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 256}},
        RuntimeConfig={"CopyCount": 1},
    )

    def shown() -> tuple[str, int]:
        found = sagemaker.describe_inference_component(InferenceComponentName="copied")
        return found["InferenceComponentStatus"], found.get("RuntimeConfig", {}).get("CurrentCopyCount", 0)

    eventually(lambda: shown() == ("InService", 1), 60, lambda: str(shown()))
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "inference-component/copied",
        "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
    }
    for capacity in (2, 1):
        alarmed(server, target, capacity)
        eventually(lambda capacity=capacity: shown() == ("InService", capacity), 60, lambda: str(shown()))  # type: ignore[misc]
