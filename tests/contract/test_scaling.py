"""Application Auto Scaling through boto3: targets, policies, what they do to an endpoint, every action once and twice. Feature row K14."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import WORLD
from support.scaling import RESOURCE, TARGET, Scaling

from sagewright.wire.errors import Fault


@pytest.fixture(params=[False, True], ids=["once", "twice"])
def scaling(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scaling]:
    with Scaling(tmp_path, twice=request.param) as made:
        yield made


@pytest.fixture
def once(tmp_path: Path) -> Iterator[Scaling]:
    with Scaling(tmp_path) as made:
        yield made


def busy(scaling: Scaling, each: float, minutes: int = 3) -> None:
    for _ in range(minutes):
        scaling.invoked(each)
        scaling.pass_time(60)


def test_out_and_in_again(scaling: Scaling) -> None:
    """Target tracking: three minutes above the target add instances, fifteen below remove them."""
    scaling.register()
    scaling.track(60.0, ScaleOutCooldown=0, ScaleInCooldown=0)
    busy(scaling, 170.0)
    scaling.pass_time(1)
    assert scaling.endpoints.asked[-1:] == [3]
    (activity,) = scaling.activities()
    assert (activity["StatusCode"], activity["Description"]) == ("InProgress", "Setting desired instance count to 3.")
    assert activity["Cause"].startswith(f"monitor alarm TargetTracking-{RESOURCE}-AlarmHigh-")
    assert activity["Cause"].endswith("in state ALARM triggered policy track")
    assert "1 in service" in activity["StatusMessage"]
    scaling.endpoints.settle()
    scaling.pass_time(2)
    (activity,) = scaling.activities()
    assert activity["StatusCode"] == "Successful"
    assert (
        activity["StatusMessage"] == "Successfully set desired instance count to 3. Change successfully fulfilled by sagemaker."
    )
    assert activity["EndTime"] > activity["StartTime"]
    for _ in range(18):
        scaling.pass_time(60)
    assert scaling.endpoints.asked[-1] == 1
    scaling.endpoints.settle()
    scaling.pass_time(2)
    assert [entry["StatusCode"] for entry in scaling.activities()] == ["Successful", "Successful"]
    assert len(set(scaling.endpoints.asked)) == 2, "every action may run twice, but asks for the same"


def test_the_alarms_of_target_tracking(once: Scaling) -> None:
    """Names, thresholds and periods as AWS makes them; they go with the policy."""
    once.register()
    answer = once.track(70.0)
    assert answer["PolicyARN"].startswith(f"arn:aws:autoscaling:{WORLD.region}:{WORLD.account}:scalingPolicy:")
    assert answer["PolicyARN"].endswith(f":resource/sagemaker/{RESOURCE}:policyName/track")
    high, low = once.cloudwatch.describe_alarms(AlarmNamePrefix=f"TargetTracking-{RESOURCE}-Alarm")["MetricAlarms"]
    assert [alarm["AlarmName"] for alarm in answer["Alarms"]] == [high["AlarmName"], low["AlarmName"]]
    assert (high["Threshold"], high["EvaluationPeriods"], high["ComparisonOperator"]) == (70.0, 3, "GreaterThanThreshold")
    assert (low["Threshold"], low["EvaluationPeriods"], low["ComparisonOperator"]) == (63.0, 15, "LessThanThreshold")
    assert (high["Period"], high["Statistic"], high["MetricName"]) == (60, "Sum", "InvocationsPerInstance")
    assert high["AlarmActions"] == [answer["PolicyARN"]]
    (policy,) = once.autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=RESOURCE)["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 70.0
    assert policy["Alarms"] == answer["Alarms"]
    assert once.track(80.0)["PolicyARN"] == answer["PolicyARN"]
    high, low = once.cloudwatch.describe_alarms()["MetricAlarms"]
    assert high["Threshold"] == 80.0
    once.autoscaling.delete_scaling_policy(PolicyName="track", **TARGET)
    assert once.cloudwatch.describe_alarms()["MetricAlarms"] == []
    with pytest.raises(once.autoscaling.exceptions.ObjectNotFoundException):
        once.autoscaling.delete_scaling_policy(PolicyName="track", **TARGET)


def test_a_policy_of_steps_is_caused_by_the_user_s_alarm(scaling: Scaling) -> None:
    """The alarm's action names the policy; it is heard again while it stays in ALARM."""
    scaling.register(highest=9)
    config = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [
            {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 10, "ScalingAdjustment": 1},
            {"MetricIntervalLowerBound": 10, "ScalingAdjustment": 3},
        ],
        "Cooldown": 30,
    }
    arn = scaling.autoscaling.put_scaling_policy(
        PolicyName="steps", PolicyType="StepScaling", StepScalingPolicyConfiguration=config, **TARGET
    )["PolicyARN"]
    scaling.alarm(AlarmActions=[arn])
    scaling.measure(8.0)
    scaling.pass_time(11)
    assert scaling.endpoints.asked[-1:] == [2]
    (action,) = scaling.cloudwatch.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    assert action["HistorySummary"] == f"Successfully executed action {arn}"
    scaling.endpoints.settle()
    scaling.pass_time(1)
    scaling.measure(30.0)
    scaling.pass_time(10)
    assert scaling.endpoints.asked[-1] == 4, "a larger need is met while the policy cools down, counted from where it began"
    scaling.endpoints.settle()
    scaling.pass_time(2)
    assert [entry["StatusCode"] for entry in scaling.activities()] == ["Successful", "Successful"]


def test_what_cannot_be_had_is_queued_and_shown(scaling: Scaling) -> None:
    """The activity says why; a control that comes back goes on with it."""
    scaling.register()
    scaling.track(60.0)
    scaling.endpoints.refusal = Fault("ResourceLimitExceeded", "no more instances")
    busy(scaling, 170.0)
    scaling.pass_time(1)
    (activity,) = scaling.activities()
    assert activity["StatusCode"] == "Pending"
    assert activity["StatusMessage"] == "Waiting to try again. Reason: no more instances (ResourceLimitExceeded)"
    scaling.restart()
    scaling.endpoints.refusal = None
    scaling.pass_time(6)
    assert scaling.endpoints.desired == 3
    scaling.restart()
    scaling.endpoints.settle()
    scaling.pass_time(2)
    assert [entry["StatusCode"] for entry in scaling.activities()] == ["Successful"]


def test_an_endpoint_that_is_being_updated_is_waited_for(once: Scaling) -> None:
    once.register()
    once.track(60.0)
    once.endpoints.current, once.endpoints.desired = 1, 2
    busy(once, 170.0)
    assert once.endpoints.asked == []
    once.endpoints.settle()
    once.pass_time(2)
    assert once.endpoints.asked == [4], "170 / 60 of two instances, within bounds"


def test_bounds_move_the_capacity(once: Scaling) -> None:
    once.register(1, 4)
    once.register(2, 4)
    once.endpoints.settle()
    once.pass_time(2)
    assert once.endpoints.asked == [2]
    assert once.activities()[0]["Cause"] == "minimum capacity was set to 2"
    once.endpoints.desired = once.endpoints.current = 5
    once.pass_time(60)
    assert once.endpoints.asked == [2], "bounds that did not change leave alone what the user asked for"


def test_suspended(once: Scaling) -> None:
    once.register(SuspendedState={"DynamicScalingOutSuspended": True})
    once.track(60.0)
    busy(once, 170.0, 4)
    assert once.endpoints.asked == []
    (shown,) = once.autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert shown["SuspendedState"] == {
        "DynamicScalingInSuspended": False, "DynamicScalingOutSuspended": True, "ScheduledScalingSuspended": False
    }  # fmt: skip
    once.autoscaling.register_scalable_target(**TARGET, SuspendedState={"DynamicScalingOutSuspended": False})
    once.idle()
    assert once.endpoints.desired == 3


def test_targets(once: Scaling) -> None:
    """Register, describe, tags, deregister with everything below."""
    arn = once.register(Tags={"team": "x"})
    assert arn == once.register(1, 9)
    once.track()
    (shown,) = once.autoscaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[RESOURCE], ScalableDimension=TARGET["ScalableDimension"]
    )["ScalableTargets"]
    assert (shown["MinCapacity"], shown["MaxCapacity"], shown["ScalableTargetARN"]) == (1, 9, arn)
    assert shown["RoleARN"].endswith("/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")
    once.autoscaling.tag_resource(ResourceARN=arn, Tags={"a": "b"})
    once.autoscaling.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert once.autoscaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"a": "b"}
    once.autoscaling.deregister_scalable_target(**TARGET)
    assert once.autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    assert once.autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []
    assert once.cloudwatch.describe_alarms()["MetricAlarms"] == []
    with pytest.raises(once.autoscaling.exceptions.ObjectNotFoundException, match="No scalable target registered for service"):
        once.autoscaling.deregister_scalable_target(**TARGET)
    with pytest.raises(once.autoscaling.exceptions.ObjectNotFoundException):
        once.track()


def test_a_target_goes_with_its_endpoint(once: Scaling) -> None:
    """DG endpoint-delete-with-scaling."""
    once.register()
    once.track()
    once.endpoints.there = False
    once.pass_time(61)
    assert once.autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []
    assert once.cloudwatch.describe_alarms()["MetricAlarms"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"MinCapacity": 0},
        {"MinCapacity": 5},
        {"MinCapacity": -1},
        {"MaxCapacity": None},
        {"ResourceId": "endpoint/e"},
        {"ResourceId": "endpoint/none/variant/v"},
        {"ResourceId": "endpoint/e/variant/none"},
        {"ScalableDimension": "sagemaker:inference-component:DesiredCopyCount"},
        {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"},
    ],
)
def test_targets_that_cannot_be(once: Scaling, wrong: dict[str, Any]) -> None:
    given = {**TARGET, "MinCapacity": 1, "MaxCapacity": 4, **wrong}
    with pytest.raises(once.autoscaling.exceptions.ValidationException):
        once.autoscaling.register_scalable_target(**{key: value for key, value in given.items() if value is not None})


def test_zero_is_for_asynchronous_endpoints(once: Scaling) -> None:
    """Down to nothing, and from nothing by an alarm."""
    once.endpoints.asynchronous = True
    once.register(0, 2)
    metric = {"MetricName": "Backlog", "Namespace": "Test", "Statistic": "Average"}
    once.autoscaling.put_scaling_policy(
        PolicyName="backlog",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0, "CustomizedMetricSpecification": metric, "ScaleInCooldown": 0, "ScaleOutCooldown": 0
        },
        **TARGET,
    )  # fmt: skip
    for _ in range(17):
        once.measure(0.0, metric="Backlog")
        once.pass_time(60)
    assert once.endpoints.asked == [0]
    once.endpoints.settle()
    for _ in range(5):
        once.measure(9.0, metric="Backlog")
        once.pass_time(60)
    assert once.endpoints.asked == [0, 1]


@pytest.mark.parametrize(
    "config",
    [
        {"TargetValue": 1.0},
        {
            "TargetValue": 0.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        },
        {"TargetValue": 1.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "ALBRequestCountPerTarget"}},
        {
            "TargetValue": 1.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"},
        },
        {"TargetValue": 1.0, "CustomizedMetricSpecification": {"MetricName": "m"}},
    ],
)
def test_policies_that_cannot_be(once: Scaling, config: dict[str, Any]) -> None:
    once.register()
    with pytest.raises(ClientError, match="ValidationException"):
        once.autoscaling.put_scaling_policy(
            PolicyName="p", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=config, **TARGET
        )


def test_one_policy_for_one_metric(once: Scaling) -> None:
    once.register()
    once.track()
    with pytest.raises(ClientError, match="Only one TargetTrackingScaling policy for a given metric specification is allowed"):
        once.track(name="again")
    with pytest.raises(ClientError, match="PredictiveScaling"):
        once.autoscaling.put_scaling_policy(PolicyName="p", PolicyType="PredictiveScaling", **TARGET)
