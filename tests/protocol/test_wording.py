"""AWS's sentences, word for word: clients and their users match on them."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright.wire import dispatch
from sagewright.wire.errors import Fault

NAME_PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
JOB: dict[str, Any] = {
    "TrainingJobName": "job",
    "RoleArn": "arn:aws:iam::123456789012:role/Role",
    "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "image"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


def refusal(document: dict[str, Any], operation: str = "CreateTrainingJob", service: str = "sagemaker") -> Fault:
    with pytest.raises(Fault) as refused:
        dispatch.validate(service, operation, document)
    return refused.value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"TrainingJobName": "a b"},
            f"1 validation error detected: Value 'a b' at 'trainingJobName' failed to satisfy constraint: {NAME_PATTERN}",
        ),
        (
            {"TrainingJobName": ""},
            f"2 validation errors detected: Value '' at 'trainingJobName' failed to satisfy constraint: {NAME_PATTERN}; "
            "Value '' at 'trainingJobName' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            {"TrainingJobName": "a" * 64},
            f"1 validation error detected: Value '{'a' * 64}' at 'trainingJobName' failed to satisfy constraint: "
            "Member must have length less than or equal to 63",
        ),
        (
            {"RoleArn": None},
            "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 0}},
            "1 validation error detected: Value '0' at 'stoppingCondition.maxRuntimeInSeconds' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            {"AlgorithmSpecification": {"TrainingInputMode": "Disk"}},
            "1 validation error detected: Value 'Disk' at 'algorithmSpecification.trainingInputMode' failed to satisfy constraint: "
            "Member must satisfy enum value set: [Pipe, File, FastFile]",
        ),
        (
            {"InputDataConfig": [{"ChannelName": "ok", "DataSource": {}}, {"ChannelName": "a b", "DataSource": {}}]},
            "1 validation error detected: Value 'a b' at 'inputDataConfig.2.member.channelName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [A-Za-z0-9\\.\\-_]+",
        ),
        (
            {"VpcConfig": {"SecurityGroupIds": ["a b"], "Subnets": ["s"]}},
            "1 validation error detected: Value '[a b]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: Member must satisfy "
            "constraint: [Member must have length less than or equal to 32, Member must have length greater than or equal to 0, "
            "Member must satisfy regular expression pattern: [-0-9a-zA-Z]+]",
        ),
        (
            {"HyperParameters": {"a": "x\ny"}},
            "1 validation error detected: Value '{a=x\ny}' at 'hyperParameters' failed to satisfy constraint: Map value must satisfy "
            "constraint: [Member must have length less than or equal to 2500, Member must have length greater than or equal to 0, "
            "Member must satisfy regular expression pattern: .*]",
        ),
        ({"Colour": "red"}, "1 validation error detected: Unknown parameter 'Colour'"),
        (
            {"OutputDataConfig": {"S3OutputPath": "s3://b/", "Bucket": "b"}},
            "1 validation error detected: Unknown parameter 'Bucket' at 'outputDataConfig'",
        ),
    ],
)
def test_validation_exception(change: dict[str, Any], message: str) -> None:
    fault = refusal(JOB | change)
    assert (fault.code, fault.status, fault.message) == ("ValidationException", 400, message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TrainingJobName": 1}, "NUMBER_VALUE cannot be converted to String"),
        ({"TrainingJobName": True}, "TRUE_VALUE cannot be converted to String"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": "60"}}, "STRING_VALUE cannot be converted to Integer"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 1.5}}, "NUMBER_VALUE cannot be converted to Integer"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 2**31}}, "Numeric value out of range of integer"),
        ({"EnableNetworkIsolation": "yes"}, "STRING_VALUE cannot be converted to Boolean"),
        ({"TrainingJobName": {}}, "Start of structure or map found where not expected."),
        ({"StoppingCondition": []}, "Start of list found where not expected"),
        ({"Tags": "a"}, "Expected list or null"),
        ({"StoppingCondition": 1}, "Unexpected field type"),
    ],
)
def test_serialization_exception(change: dict[str, Any], message: str) -> None:
    """A wrong JSON type is found while reading, whatever else is wrong."""
    fault = refusal(JOB | change | {"RoleArn": None})
    assert (fault.code, fault.status, fault.message) == ("SerializationException", 400, message)


def test_a_union_has_exactly_one_member() -> None:
    both = {"EFSFileSystem": {"FileSystemId": "fs-12345678"}, "FSxLustreFileSystem": {"FileSystemId": "fs-12345678"}}
    space = {"DomainId": "d-1", "SpaceName": "s", "SpaceSettings": {"CustomFileSystems": [both]}}
    fault = refusal(space, "CreateSpace")
    assert (
        "at 'spaceSettings.customFileSystems.1.member' failed to satisfy constraint: Exactly one member must be set"
        in fault.message
    )
    assert "Exactly one member" in refusal(space | {"SpaceSettings": {"CustomFileSystems": [{}]}}, "CreateSpace").message


def test_a_sensitive_value_is_not_repeated() -> None:
    fault = refusal({"UserName": "u", "Password": ""}, "CreateLoginProfile", "iam")
    assert "Value at 'password' failed to satisfy constraint: Member must have length" in fault.message


def test_null_members_count_as_absent() -> None:
    document = JOB | {"Tags": None, "ResourceConfig": {**JOB["ResourceConfig"], "VolumeKmsKeyId": None}}
    dispatch.validate("sagemaker", "CreateTrainingJob", document)
    assert document == JOB


def test_long_values_and_many_problems_are_cut() -> None:
    fault = refusal(JOB | {"TrainingJobName": "a" * 10_000})
    assert "a" * 256 + "..." in fault.message
    assert len(fault.message) < 500
    channels = [{"ChannelName": "a b", "DataSource": {}} for _ in range(20)]
    fault = refusal(JOB | {"InputDataConfig": channels, "TrainingJobName": "a b"})
    assert fault.message.startswith("21 validation errors detected: ")
    assert fault.message.endswith("; ...")


def test_nesting_is_bounded() -> None:
    """SearchExpression contains itself."""
    expression: dict[str, Any] = {"Operator": "And"}
    for _ in range(20):
        expression = {"SubExpressions": [expression]}
    dispatch.validate("sagemaker", "Search", {"Resource": "TrainingJob", "SearchExpression": expression})
    for _ in range(500):
        expression = {"SubExpressions": [expression]}
    fault = refusal({"Resource": "TrainingJob", "SearchExpression": expression}, "Search")
    assert fault.code == "SerializationException"
