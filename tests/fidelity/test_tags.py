"""Tags on any resource. Feature rows A04, P02."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import IMAGE, ROLE, Harness


@pytest.fixture
def client() -> Iterator[Any]:
    with Harness() as harness:
        yield harness.client("sagemaker")


def model(client: Any, **more: Any) -> str:
    arn: str = client.create_model(ModelName="m", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE, **more)["ModelArn"]
    return arn


def tags(count: int) -> list[dict[str, str]]:
    return [{"Key": f"k{number:02}", "Value": str(number)} for number in range(count)]


def test_all_fifty_on_the_first_page(client: Any) -> None:
    """SDK v2 reads only the first page of ListTags."""
    arn = model(client, Tags=tags(50))
    answer = client.list_tags(ResourceArn=arn)
    assert answer["Tags"] == tags(50)
    assert "NextToken" not in answer


def test_one_too_many(client: Any) -> None:
    arn = model(client, Tags=tags(50))
    with pytest.raises(ClientError) as error:
        client.add_tags(ResourceArn=arn, Tags=[{"Key": "one-more", "Value": ""}])
    assert error.value.response["Error"]["Code"] == "ValidationException"
    client.add_tags(ResourceArn=arn, Tags=[{"Key": "k00", "Value": "changed"}])
    assert client.list_tags(ResourceArn=arn)["Tags"][0] == {"Key": "k00", "Value": "changed"}


@pytest.mark.parametrize("wrong", [[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], [{"Key": "aws:x", "Value": "1"}]])
def test_keys_that_cannot_be(client: Any, wrong: list[dict[str, str]]) -> None:
    with pytest.raises(ClientError):
        model(client, Tags=wrong)
    with pytest.raises(ClientError, match="Could not find model"):
        client.describe_model(ModelName="m")


@pytest.mark.parametrize(
    ("arn", "wording"),
    [
        ("arn:aws:sagemaker:us-east-1:123456789012:model/nobody", "Could not find model"),
        ("arn:aws:sagemaker:us-east-1:123456789012:training-job/nobody", "Requested resource not found"),
        ("arn:aws:sagemaker:us-east-1:123456789012:nonsense/nobody", "Invalid resource ARN"),
    ],
)
def test_nothing_to_tag(client: Any, arn: str, wording: str) -> None:
    for call in (
        lambda: client.list_tags(ResourceArn=arn),
        lambda: client.add_tags(ResourceArn=arn, Tags=tags(1)),
        lambda: client.delete_tags(ResourceArn=arn, TagKeys=["a"]),
    ):
        with pytest.raises(ClientError, match=wording) as error:
            call()
        assert error.value.response["Error"]["Code"] == "ValidationException"


def test_gone_with_the_resource(client: Any) -> None:
    arn = model(client, Tags=tags(2))
    client.delete_model(ModelName="m")
    assert model(client) == arn
    assert client.list_tags(ResourceArn=arn)["Tags"] == []
