"""EventBridge through boto3: rules, targets, events of one's own (API reference of EventBridge; feature A18)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Harness, Parts

from sagewright.base.clock import VirtualClock
from sagewright.neighbours.events.operations import Events
from sagewright.neighbours.logs import Logs

GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/events/jobs"
PATTERN = json.dumps({"source": ["mine"], "detail": {"state": ["done"]}})


@pytest.fixture(scope="module")
def started() -> Iterator[Harness]:
    def install(parts: Parts) -> None:
        for service, handlers in (("events", Events(parts.store).operations()), ("logs", Logs(parts.store).operations())):
            for name, handler in handlers.items():
                parts.operations.write(service, name, handler)

    with Harness(VirtualClock(), install=install) as harness:
        yield harness


@pytest.fixture(scope="module")
def clients(started: Harness) -> tuple[Any, Any]:
    return started.client("events"), started.client("logs")


@pytest.fixture
def events(started: Harness, clients: tuple[Any, Any]) -> Any:
    started.run(started.parts.store.empty())
    return clients[0]


@pytest.fixture
def logs(clients: tuple[Any, Any]) -> Any:
    return clients[1]


def put(events: Any, *entries: dict[str, Any]) -> Any:
    return events.put_events(Entries=list(entries))


def entry(**changes: Any) -> dict[str, Any]:
    return {"Source": "mine", "DetailType": "Job", "Detail": '{"state": "done"}', **changes}


def delivered(logs: Any, stream: str = "jobs") -> list[Any]:
    page = logs.get_log_events(logGroupName="/aws/events/jobs", logStreamName=stream, startFromHead=True)
    return [json.loads(event["message"]) for event in page["events"]]


def rule(events: Any, name: str = "jobs", **changes: Any) -> str:
    arn: str = events.put_rule(Name=name, EventPattern=PATTERN, **changes)["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "log", "Arn": GROUP}])
    return arn


def test_events_that_match_reach_the_log_group(events: Any, logs: Any) -> None:
    rule(events)
    answer = put(events, entry(Resources=["arn:x"]), entry(Detail='{"state": "begun"}'), entry(Source="other"))
    assert answer["FailedEntryCount"] == 0
    (found,) = delivered(logs)
    assert found["id"] == answer["Entries"][0]["EventId"]
    assert found["detail"] == {"state": "done"}
    assert (found["source"], found["detail-type"], found["resources"], found["version"]) == ("mine", "Job", ["arn:x"], "0")
    assert (found["account"], found["region"]) == ("123456789012", "us-east-1")
    assert found["time"].endswith("Z")


def test_a_target_may_say_what_is_delivered(events: Any, logs: Any) -> None:
    rule(events)
    events.put_targets(Rule="jobs", Targets=[{"Id": "log", "Arn": GROUP, "Input": '"seen"'}])
    put(events, entry())
    assert delivered(logs) == ["seen"]


def test_rules_are_kept_changed_listed_and_deleted(events: Any) -> None:
    arn = rule(events, Description="all", Tags=[{"Key": "a", "Value": "b"}])
    assert arn == "arn:aws:events:us-east-1:123456789012:rule/jobs"
    known = events.describe_rule(Name="jobs")
    assert (known["Arn"], known["State"], known["Description"], known["EventBusName"]) == (arn, "ENABLED", "all", "default")
    events.put_rule(Name="jobs", EventPattern='{"source": ["else"]}')
    assert events.list_targets_by_rule(Rule="jobs")["Targets"] == [{"Id": "log", "Arn": GROUP}]
    assert "Description" not in events.describe_rule(Name="jobs")
    events.put_rule(Name="another", EventPattern=PATTERN)
    first = events.list_rules(Limit=1)
    assert [item["Name"] for item in first["Rules"]] == ["another"]
    assert [item["Name"] for item in events.list_rules(NextToken=first["NextToken"])["Rules"]] == ["jobs"]
    assert [item["Name"] for item in events.list_rules(NamePrefix="jo")["Rules"]] == ["jobs"]
    assert events.list_rule_names_by_target(TargetArn=GROUP)["RuleNames"] == ["jobs"]
    with pytest.raises(ClientError, match="since it has targets"):
        events.delete_rule(Name="jobs")
    failed = events.remove_targets(Rule="jobs", Ids=["log", "none"])
    assert [item["TargetId"] for item in failed["FailedEntries"]] == ["none"]
    events.delete_rule(Name="jobs")
    events.delete_rule(Name="jobs")
    with pytest.raises(events.exceptions.ResourceNotFoundException, match="Rule jobs does not exist on EventBus default"):
        events.describe_rule(Name="jobs")


def test_a_rule_that_is_off_delivers_nothing(events: Any, logs: Any) -> None:
    rule(events)
    events.disable_rule(Name="jobs")
    put(events, entry(Detail='{"state": "done", "n": 1}'))
    events.enable_rule(Name="jobs")
    put(events, entry(Detail='{"state": "done", "n": 2}'))
    assert [found["detail"]["n"] for found in delivered(logs)] == [2]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (entry(Detail="no json"), "MalformedDetail"),
        (entry(Detail="[1]"), "MalformedDetail"),
        (entry(Source="aws.sagemaker"), "NotAuthorizedForSourceException"),
        ({"Source": "mine", "Detail": "{}"}, "InvalidArgument"),
        (entry(EventBusName="mine"), "InvalidArgument"),
    ],
)
def test_one_bad_entry_spoils_no_other(events: Any, given: dict[str, Any], code: str) -> None:
    answer = put(events, given, entry())
    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == code
    assert "EventId" in answer["Entries"][1]


def test_patterns_can_be_tried(events: Any) -> None:
    event = {"id": "1", "account": "1", "source": "mine", "time": "", "region": "", "resources": [], "detail-type": ""}
    for state, result in (("done", True), ("begun", False)):
        given = json.dumps({**event, "detail": {"state": state}})
        assert events.test_event_pattern(EventPattern=PATTERN, Event=given)["Result"] is result
    with pytest.raises(ClientError, match="Parameter Event is not valid"):
        events.test_event_pattern(EventPattern=PATTERN, Event="{}")


def test_what_is_refused(events: Any) -> None:
    with pytest.raises(events.exceptions.InvalidEventPatternException):
        events.put_rule(Name="bad", EventPattern='{"source": "x"}')
    with pytest.raises(ClientError, match="EventPattern or ScheduleExpression must be specified"):
        events.put_rule(Name="bad")
    with pytest.raises(ClientError, match="does not support the parameter ScheduleExpression"):
        events.put_rule(Name="bad", ScheduleExpression="rate(1 hour)", EventPattern=PATTERN)
    with pytest.raises(events.exceptions.ResourceNotFoundException):
        events.put_rule(Name="bad", EventPattern=PATTERN, EventBusName="other")
    rule(events)
    with pytest.raises(ClientError, match="log groups only"):
        events.put_targets(Rule="jobs", Targets=[{"Id": "f", "Arn": "arn:aws:lambda:us-east-1:123456789012:function:f"}])
    with pytest.raises(ClientError, match="does not support the parameter InputPath"):
        events.put_targets(Rule="jobs", Targets=[{"Id": "f", "Arn": GROUP, "InputPath": "$.detail"}])
    with pytest.raises(events.exceptions.LimitExceededException):
        events.put_targets(Rule="jobs", Targets=[{"Id": str(number), "Arn": GROUP} for number in range(5)])
