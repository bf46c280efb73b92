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


def test_why_nothing_was_done(scaling: Scaling) -> None:
    """API DescribeScalingActivities, NotScaledReasons: told once, and only to who asks for it."""
    scaling.register(1, 1)
    scaling.track(60.0)
    busy(scaling, 170.0, 5)
    assert scaling.endpoints.asked == scaling.activities() == []
    (told,) = scaling.autoscaling.describe_scaling_activities(ServiceNamespace="sagemaker", IncludeNotScaledActivities=True)[
        "ScalingActivities"
    ]
    assert told["NotScaledReasons"] == [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 1}]
    assert (told["StatusCode"], told["Description"]) == ("Failed", "Attempting to scale due to alarm triggered")


def test_a_new_policy_does_not_remove_what_was_never_asked(once: Scaling) -> None:
    """The fifteen minutes below the target begin with the policy."""
    once.register()
    once.endpoints.desired = once.endpoints.current = 3
    once.track(60.0)
    for _ in range(14):
        once.pass_time(60)
    assert once.endpoints.asked == []
    once.pass_time(60)
    once.pass_time(60)
    assert once.endpoints.asked == [1]


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


def schedule(scaling: Scaling, expression: str, name: str = "nightly", **more: Any) -> None:
    given = {"ScheduledActionName": name, "Schedule": expression, "ScalableTargetAction": {"MinCapacity": 3}, **more, **TARGET}
    scaling.autoscaling.put_scheduled_action(**given)
    scaling.idle()


def test_a_scheduled_action(scaling: Scaling) -> None:
    """At its time the bounds change, and the capacity with them; also when control was away at that time."""
    scaling.register()
    schedule(scaling, "rate(5 minutes)")
    scaling.pass_time(299)
    assert scaling.endpoints.asked == []
    scaling.pass_time(1)
    scaling.idle()
    assert scaling.endpoints.desired == 3
    (shown,) = scaling.autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (shown["MinCapacity"], shown["MaxCapacity"]) == (3, 4)
    scaling.endpoints.settle()
    scaling.pass_time(2)
    found = {activity["Cause"]: activity for activity in scaling.activities()}
    assert found["minimum capacity was set to 3"]["StatusCode"] == "Successful"
    told = found["scheduled action name nightly was triggered"]
    assert told["Description"] == "Setting min capacity to 3"
    assert told["StatusMessage"] == "Successfully set min capacity to 3"
    schedule(scaling, "at(2027-01-15T08:10:00)", ScalableTargetAction={"MinCapacity": 1, "MaxCapacity": 2})
    scaling.clock.advance(900)
    scaling.restart()
    scaling.idle()
    assert scaling.endpoints.desired == 2
    (action,) = scaling.autoscaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    assert (action["Timezone"], action["Schedule"]) == ("UTC", "at(2027-01-15T08:10:00)")
    scaling.autoscaling.delete_scheduled_action(ScheduledActionName="nightly", **TARGET)
    with pytest.raises(scaling.autoscaling.exceptions.ObjectNotFoundException):
        scaling.autoscaling.delete_scheduled_action(ScheduledActionName="nightly", **TARGET)


def test_start_and_end_of_a_schedule(once: Scaling) -> None:
    """Carried out at StartTime, then as the expression says, and not after EndTime; not at all while suspended."""
    once.register(SuspendedState={"ScheduledScalingSuspended": True})
    begin = once.clock.now()
    schedule(once, "rate(10 minutes)", StartTime=begin + 60, EndTime=begin + 700)
    for seconds in (60, 600, 600):
        once.pass_time(seconds)
    assert once.activities() == []
    once.register(SuspendedState={"ScheduledScalingSuspended": False})
    schedule(once, "rate(10 minutes)", StartTime=once.clock.now() + 60, EndTime=once.clock.now() + 700)
    for seconds in (60, 600, 600):
        once.pass_time(seconds)
        once.endpoints.settle()
        once.pass_time(2)
    told = [activity for activity in once.activities() if "scheduled" in activity["Cause"]]
    assert len(told) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"Schedule": "every day"},
        {"Schedule": "at(2020-01-01T00:00:00)"},
        {"Schedule": None},
        {"ScalableTargetAction": None},
        {"ScalableTargetAction": {}},
        {"ScalableTargetAction": {"MinCapacity": 5, "MaxCapacity": 1}},
        {"ScalableTargetAction": {"MinCapacity": 0}},
        {"Timezone": "Mars/Olympus"},
        {"StartTime": 1_900_000_000, "EndTime": 1_850_000_000},
    ],
)
def test_scheduled_actions_that_cannot_be(once: Scaling, wrong: dict[str, Any]) -> None:
    once.register()
    given = {
        "ScheduledActionName": "a",
        "Schedule": "rate(1 day)",
        "ScalableTargetAction": {"MinCapacity": 2},
        **TARGET,
        **wrong,
    }
    with pytest.raises(once.autoscaling.exceptions.ValidationException):
        once.autoscaling.put_scheduled_action(**{key: value for key, value in given.items() if value is not None})


COPIES = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "inference-component/c",
    "ScalableDimension": "sagemaker:inference-component:DesiredCopyCount",
}
CONCURRENCY = {**TARGET, "ScalableDimension": "sagemaker:variant:DesiredProvisionedConcurrency"}


@pytest.mark.parametrize(
    ("target", "metric", "namespace", "noun"),
    [
        (COPIES, "SageMakerInferenceComponentInvocationsPerCopy", "InvocationsPerCopy", "copy count"),
        (
            COPIES,
            "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
            "ConcurrentRequestsPerCopy",
            "copy count",
        ),
        (
            CONCURRENCY,
            "SageMakerVariantProvisionedConcurrencyUtilization",
            "ServerlessProvisionedConcurrencyUtilization",
            "provisioned concurrency",
        ),
        (TARGET, "SageMakerVariantConcurrentRequestsPerModelHighResolution", "ConcurrentRequestsPerModel", "instance count"),
    ],
)
def test_every_dimension_and_metric(once: Scaling, target: dict[str, str], metric: str, namespace: str, noun: str) -> None:
    """Copies, provisioned concurrency, instances; high-resolution metrics have periods of ten seconds."""
    once.autoscaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=4)
    once.idle()
    once.autoscaling.put_scaling_policy(
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 1.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
        },
        **target,
    )
    high, low = once.cloudwatch.describe_alarms()["MetricAlarms"]
    assert high["MetricName"] == namespace
    fine = "HighResolution" in metric
    assert (high["Period"], high["EvaluationPeriods"], low["EvaluationPeriods"]) == ((10, 3, 90) if fine else (60, 3, 15))
    once.endpoints.settle()
    once.pass_time(2)
    assert once.endpoints.asked == [2]
    assert once.activities()[0]["Description"] == f"Setting desired {noun} to 2."
    assert once.activities()[0]["StatusCode"] == "Successful"
