"""Event patterns as EventBridge reads them (user guide, eb-create-pattern-operators; feature A18)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagewright.neighbours.events.pattern import BadPatternError, compile_pattern

EVENT = {
    "source": "aws.sagemaker",
    "detail-type": "SageMaker Training Job State Change",
    "resources": ["arn:aws:sagemaker:us-west-2:1:training-job/a"],
    "detail": {
        "TrainingJobName": "Fraud-7",
        "TrainingJobStatus": "Completed",
        "BillableTimeInSeconds": 61,
        "EnableNetworkIsolation": False,
        "FailureReason": None,
        "Tags": {"team": "Risk"},
        "SecondaryStatusTransitions": [{"Status": "Starting"}, {"Status": "Training"}],
        "ip": "10.1.2.3",
    },
}


def detail(**pattern: Any) -> dict[str, Any]:
    return {"detail": pattern}


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.sagemaker"]},
        {"source": ["other", "aws.sagemaker"], "detail-type": [{"prefix": "SageMaker Training"}]},
        {"resources": ["arn:aws:sagemaker:us-west-2:1:training-job/a"]},
        {"resources": [{"wildcard": "arn:*:training-job/*"}]},
        detail(TrainingJobName=[{"wildcard": "F*d*7"}]),
        detail(TrainingJobName=[{"wildcard": "Fraud-7"}]),
        detail(TrainingJobName=[{"suffix": "-7"}]),
        detail(TrainingJobName=[{"prefix": {"equals-ignore-case": "fraud"}}]),
        detail(TrainingJobName=[{"suffix": {"equals-ignore-case": "D-7"}}]),
        detail(TrainingJobName=[{"equals-ignore-case": "FRAUD-7"}]),
        detail(TrainingJobStatus=[{"anything-but": "Failed"}]),
        detail(TrainingJobStatus=[{"anything-but": ["Failed", "Stopped"]}]),
        detail(TrainingJobStatus=[{"anything-but": {"prefix": ["F", "S"]}}]),
        detail(BillableTimeInSeconds=[61]),
        detail(BillableTimeInSeconds=[{"numeric": [">", 60, "<=", 61]}]),
        detail(EnableNetworkIsolation=[False]),
        detail(FailureReason=[None]),
        detail(FailureReason=[{"exists": True}]),
        detail(Missing=[{"exists": False}]),
        detail(Tags={"team": ["Risk"]}),
        detail(SecondaryStatusTransitions={"Status": ["Training"]}),
        detail(ip=[{"cidr": "10.1.0.0/16"}]),
        detail(**{"$or": [{"TrainingJobStatus": ["Failed"]}, {"BillableTimeInSeconds": [{"numeric": ["=", 61]}]}]}),
    ],
)
def test_what_matches(pattern: dict[str, Any]) -> None:
    assert compile_pattern(json.dumps(pattern))(EVENT)


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.ec2"]},
        {"source": ["aws.sagemaker"], "detail": {"TrainingJobStatus": ["Failed"]}},
        detail(BillableTimeInSeconds=["61"]),
        detail(BillableTimeInSeconds=[{"numeric": [">", 61]}]),
        detail(TrainingJobName=[{"numeric": [">", 1]}]),
        detail(EnableNetworkIsolation=[0]),
        detail(FailureReason=[{"exists": False}]),
        detail(Missing=[None]),
        detail(Missing=[{"anything-but": "x"}]),
        detail(Missing={"deep": ["x"]}),
        detail(TrainingJobStatus=[{"anything-but": {"wildcard": "Comp*"}}]),
        detail(TrainingJobName=[{"wildcard": "fraud*"}]),
        detail(TrainingJobName=[{"wildcard": "Fraud-*-7"}]),
        detail(TrainingJobName=[{"wildcard": "*Fraud"}]),
        detail(ip=[{"cidr": "192.168.0.0/16"}]),
        detail(TrainingJobName=[{"cidr": "10.0.0.0/8"}]),
        detail(**{"$or": [{"TrainingJobStatus": ["Failed"]}, {"TrainingJobName": ["x"]}]}),
    ],
)
def test_what_does_not(pattern: dict[str, Any]) -> None:
    assert not compile_pattern(json.dumps(pattern))(EVENT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '"x"',
        '{"source": "aws.sagemaker"}',
        '{"source": []}',
        '{"source": [["x"]]}',
        '{"detail": {}}',
        '{"source": [{"like": "x"}]}',
        '{"source": [{"prefix": 1}]}',
        '{"source": [{"prefix": {"suffix": "x"}}]}',
        '{"source": [{"prefix": "a", "suffix": "b"}]}',
        '{"source": [{"wildcard": "a**"}]}',
        '{"source": [{"exists": "yes"}]}',
        '{"source": [{"anything-but": {"numeric": ["=", 1]}}]}',
        '{"n": [{"numeric": [">"]}]}',
        '{"n": [{"numeric": ["~", 1]}]}',
        '{"n": [{"numeric": [">", true]}]}',
        '{"ip": [{"cidr": "300.0.0.0/8"}]}',
        '{"$or": [{"source": ["x"]}]}',
    ],
)
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(BadPatternError, match="Event pattern is not valid"):
        compile_pattern(text)


def test_a_wildcard_is_no_slower_than_the_text_is_long() -> None:
    test = compile_pattern(json.dumps({"name": [{"wildcard": "*a" * 12 + "b"}]}))
    assert not test({"name": "a" * 4000})
