"""CloudWatch alarms through boto3, judged by the controller loop on a clock of the test's. Feature row O09."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import WORLD
from support.scaling import Scaling

from sagewright.signals import alarms


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Scaling]:
    with Scaling(tmp_path) as made:
        yield made


def test_an_alarm_follows_its_metric(world: Scaling) -> None:
    world.alarm()
    assert world.state() == "INSUFFICIENT_DATA"
    world.measure(9.0)
    world.pass_time(9)
    assert world.state() == "INSUFFICIENT_DATA", "the period is not over"
    world.pass_time(2)
    assert world.state() == "ALARM"
    (shown,) = world.cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert shown["StateReason"].startswith(
        "Threshold Crossed: 1 out of the last 1 datapoint [9.0 (15/01/27 08:00:00)] was greater"
    )
    assert json.loads(shown["StateReasonData"])["recentDatapoints"] == [9.0]
    assert shown["AlarmArn"] == f"arn:aws:cloudwatch:{WORLD.region}:{WORLD.account}:alarm:high"
    world.measure(1.0)
    world.pass_time(11)
    assert world.state() == "OK"
    world.pass_time(60)
    assert world.state() == "INSUFFICIENT_DATA"


def test_states_are_read_in_a_transaction(world: Scaling) -> None:
    world.alarm()
    world.cloudwatch.set_alarm_state(AlarmName="high", StateValue="ALARM", StateReason="test")
    arn = f"arn:aws:cloudwatch:{WORLD.region}:{WORLD.account}:alarm:high"
    read = world.harness.parts.store.read
    found = world.harness.run(read(lambda transaction: alarms.states(transaction, WORLD, ["high", arn, "none"])))
    assert found == {"high": "ALARM", arn: "ALARM"}


def test_two_out_of_three_and_a_percentile(world: Scaling) -> None:
    world.alarm(Statistic=None, ExtendedStatistic="p90", EvaluationPeriods=3, DatapointsToAlarm=2)
    for values in ((9.0, 1.0), (1.0, 1.0), (1.0, 8.0)):
        world.measure(*values)
        world.pass_time(10)
    world.pass_time(1)
    assert world.state() == "ALARM"


def test_a_set_state_lasts_until_the_next_evaluation(world: Scaling) -> None:
    """API SetAlarmState; the history tells of both."""
    world.alarm(TreatMissingData="notBreaching")
    world.pass_time(11)
    assert world.state() == "OK"
    world.cloudwatch.set_alarm_state(AlarmName="high", StateValue="ALARM", StateReason="a test", StateReasonData="{}")
    world.idle()
    assert world.state() == "ALARM"
    world.pass_time(11)
    assert world.state() == "OK"
    items = world.cloudwatch.describe_alarm_history(AlarmName="high", ScanBy="TimestampAscending")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in items] == [
        'Alarm "high" created',
        "Alarm updated from INSUFFICIENT_DATA to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from ALARM to OK",
    ]
    assert json.loads(items[2]["HistoryData"])["newState"]["stateReason"] == "a test"
    page = world.cloudwatch.describe_alarm_history(AlarmName="high", HistoryItemType="StateUpdate", MaxRecords=2)
    rest = world.cloudwatch.describe_alarm_history(
        AlarmName="high", HistoryItemType="StateUpdate", MaxRecords=2, NextToken=page["NextToken"]
    )
    assert [len(page["AlarmHistoryItems"]), len(rest["AlarmHistoryItems"])] == [2, 1]


def test_a_change_is_an_event_and_an_action(world: Scaling) -> None:
    """EventBridge "CloudWatch Alarm State Change"; an action that nobody here can take is noted as failed."""
    group = f"arn:aws:logs:{WORLD.region}:{WORLD.account}:log-group:/events"
    events = world.harness.client("events")
    events.put_rule(Name="alarms", EventPattern=json.dumps({"source": ["aws.cloudwatch"]}))
    events.put_targets(Rule="alarms", Targets=[{"Id": "1", "Arn": group}])
    world.alarm(AlarmActions=[f"arn:aws:lambda:{WORLD.region}:{WORLD.account}:function:f"])
    world.cloudwatch.set_alarm_state(AlarmName="high", StateValue="ALARM", StateReason="test")
    logged = world.harness.client("logs").get_log_events(logGroupName="/events", logStreamName="alarms")["events"]
    (event,) = [json.loads(line["message"]) for line in logged]
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert (event["detail"]["alarmName"], event["detail"]["state"]["value"]) == ("high", "ALARM")
    (action,) = world.cloudwatch.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]
    assert action["HistorySummary"].startswith("Failed to execute action arn:aws:lambda")
    world.cloudwatch.disable_alarm_actions(AlarmNames=["high"])
    for state in ("OK", "ALARM"):
        world.cloudwatch.set_alarm_state(AlarmName="high", StateValue=state, StateReason="test")
    assert len(world.cloudwatch.describe_alarm_history(HistoryItemType="Action")["AlarmHistoryItems"]) == 1
    world.cloudwatch.enable_alarm_actions(AlarmNames=["high"])
    assert world.cloudwatch.describe_alarms()["MetricAlarms"][0]["ActionsEnabled"] is True


def test_a_notification(world: Scaling) -> None:
    """Subscribers of the topics that a new state's actions name are told (CloudWatch user guide, alarm notifications)."""
    sns, sqs = world.harness.client("sns"), world.harness.client("sqs")
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    world.alarm(AlarmActions=[topic], OKActions=[f"{topic}-gone"])
    for state in ("ALARM", "OK"):
        world.cloudwatch.set_alarm_state(AlarmName="high", StateValue=state, StateReason="a test")
    (message,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    envelope = json.loads(message["Body"])
    told = json.loads(envelope["Message"])
    assert envelope["Subject"] == f'ALARM: "high" in {WORLD.region}'
    assert (told["NewStateValue"], told["OldStateValue"], told["NewStateReason"]) == ("ALARM", "INSUFFICIENT_DATA", "a test")
    assert told["Trigger"]["MetricName"] == "Load"
    actions = world.cloudwatch.describe_alarm_history(HistoryItemType="Action", ScanBy="TimestampAscending")[
        "AlarmHistoryItems"
    ]
    assert [item["HistorySummary"].split()[0] for item in actions] == ["Successfully", "Failed"]


def test_describing_and_deleting(world: Scaling) -> None:
    for name in ("a1", "a2", "b1"):
        world.alarm(name, Tags=[{"Key": "team", "Value": "x"}], Dimensions=[{"Name": "D", "Value": name}])
    names = [alarm["AlarmName"] for alarm in world.cloudwatch.describe_alarms(AlarmNamePrefix="a")["MetricAlarms"]]
    assert names == ["a1", "a2"]
    pages = world.cloudwatch.get_paginator("describe_alarms").paginate(PaginationConfig={"PageSize": 2})
    assert [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]] == ["a1", "a2", "b1"]
    (found,) = world.cloudwatch.describe_alarms_for_metric(
        Namespace="Test", MetricName="Load", Dimensions=[{"Name": "D", "Value": "a2"}]
    )["MetricAlarms"]
    assert found["AlarmName"] == "a2"
    arn = found["AlarmArn"]
    world.cloudwatch.tag_resource(ResourceARN=arn, Tags=[{"Key": "k", "Value": "v"}])
    world.cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert world.cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "k", "Value": "v"}]
    world.cloudwatch.delete_alarms(AlarmNames=["a1", "a2", "not there"])
    assert [alarm["AlarmName"] for alarm in world.cloudwatch.describe_alarms()["MetricAlarms"]] == ["b1"]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        world.cloudwatch.set_alarm_state(AlarmName="a1", StateValue="OK", StateReason="r")


@pytest.mark.parametrize(
    "wrong",
    [
        {"Period": 7},
        {"Period": 3600, "EvaluationPeriods": 169},
        {"DatapointsToAlarm": 2},
        {"ExtendedStatistic": "p90"},
        {"Statistic": None, "ExtendedStatistic": "tm90"},
        {"TreatMissingData": "guess"},
        {"ComparisonOperator": "GreaterThanUpperThreshold"},
        {"MetricName": None},
        {"EvaluationWindow": {"WallClockWindow": {"Timezone": "UTC"}}},
    ],
)
def test_what_cannot_be(world: Scaling, wrong: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=r"Validation|InvalidParameter"):
        world.alarm(**wrong)
    assert world.cloudwatch.describe_alarms()["MetricAlarms"] == []


def stat(name: str, metric: str, period: int = 10, shown: bool = False) -> dict[str, Any]:
    asked = {"Metric": {"Namespace": "Test", "MetricName": metric}, "Period": period, "Stat": "Sum"}
    return {"Id": name, "MetricStat": asked, "ReturnData": shown}


def of_math(world: Scaling, *metrics: dict[str, Any]) -> None:
    world.cloudwatch.put_metric_alarm(
        AlarmName="high", Metrics=list(metrics), EvaluationPeriods=1, Threshold=50.0, ComparisonOperator="GreaterThanThreshold"
    )
    world.idle()


def test_an_alarm_on_metric_math(world: Scaling) -> None:
    """A rate of two metrics; without calls there is no rate."""
    rate = {"Id": "rate", "Expression": "100 * errors / calls", "ReturnData": True}
    of_math(world, stat("errors", "Errors"), stat("calls", "Calls"), rate)
    world.measure(3.0, metric="Errors")
    world.measure(4.0, metric="Calls")
    world.pass_time(11)
    assert world.state() == "ALARM"
    (shown,) = world.cloudwatch.describe_alarms()["MetricAlarms"]
    assert [query["Id"] for query in shown["Metrics"]] == ["errors", "calls", "rate"]
    world.measure(0.0, metric="Calls")
    world.pass_time(60)
    assert world.state() == "INSUFFICIENT_DATA"


@pytest.mark.parametrize(
    "metrics",
    [
        [stat("a", "A"), stat("b", "B")],
        [stat("a", "A", shown=True), stat("b", "B", shown=True)],
        [stat("a", "A"), stat("b", "B", 60), {"Id": "e", "Expression": "a + b"}],
        [stat("a", "A"), {"Id": "e", "Expression": "a +"}],
        [stat("a", "A"), {"Id": "e", "Expression": "other"}],
        [{"Id": "e", "Expression": "1"}],
    ],
)
def test_metric_math_that_cannot_be(world: Scaling, metrics: list[dict[str, Any]]) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        of_math(world, *metrics)


def test_metric_data_with_expressions(world: Scaling) -> None:
    """GetMetricData: an expression is answered like a metric."""
    world.measure(3.0, 4.0, metric="A")
    world.measure(2.0, metric="B")
    queries = [stat("a", "A"), stat("b", "B"), {"Id": "e", "Expression": "FILL(a, 0) * b", "Label": "product"}]
    begin = world.clock.now()
    found = world.cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=begin, EndTime=begin + 20)
    (result,) = found["MetricDataResults"]
    assert (result["Label"], result["Values"]) == ("product", [14.0])
    with pytest.raises(ClientError, match="number, no time series"):
        world.cloudwatch.get_metric_data(
            MetricDataQueries=[stat("a", "A"), {"Id": "e", "Expression": "SUM(a)"}], StartTime=begin, EndTime=begin + 20
        )


def test_a_composite_alarm(world: Scaling) -> None:
    """API PutCompositeAlarm: its state follows from others', composite ones too; alarms it depends on cannot go before it."""
    world.alarm("a")
    world.alarm("b")
    world.cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule='ALARM("a") AND ALARM(b)')
    arn = f"arn:aws:cloudwatch:{WORLD.region}:{WORLD.account}:alarm:both"
    world.cloudwatch.put_composite_alarm(AlarmName="calm", AlarmRule=f"NOT (ALARM({arn}) OR FALSE)")
    world.idle()

    def found() -> dict[str, str]:
        shown = world.cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in shown}

    assert found() == {"both": "OK", "calm": "ALARM"}
    assert [alarm["AlarmName"] for alarm in world.cloudwatch.describe_alarms()["MetricAlarms"]] == ["a", "b"]
    children = world.cloudwatch.describe_alarms(ChildrenOfAlarmName="both")["MetricAlarms"]
    parents = world.cloudwatch.describe_alarms(ParentsOfAlarmName="b")["CompositeAlarms"]
    assert [alarm["AlarmName"] for alarm in (*children, *parents)] == ["a", "b", "both"]
    for name in ("a", "b"):
        world.cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    world.idle()
    assert found() == {"both": "ALARM", "calm": "OK"}
    with pytest.raises(ClientError, match="composite alarm"):
        world.cloudwatch.delete_alarms(AlarmNames=["a"])
    world.cloudwatch.delete_alarms(AlarmNames=["a", "both", "calm"])
    assert found() == {}


@pytest.mark.parametrize(
    "rule",
    ["ALARM(", "ALARM(none)", "ALARM(me)", "a AND b", "ALARM(a) ALARM(a)", "OK()", "NOT " * 100 + "TRUE", "PANIC(a)", "(" * 99],
)
def test_rules_that_cannot_be(world: Scaling, rule: str) -> None:
    world.alarm("a")
    world.cloudwatch.put_composite_alarm(AlarmName="me", AlarmRule="ALARM(a) OR TRUE")
    with pytest.raises(ClientError, match="ValidationError"):
        world.cloudwatch.put_composite_alarm(AlarmName="me", AlarmRule=rule)
