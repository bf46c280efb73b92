"""Lists: pages, sort orders, filters and their defaults, as the service model documents them. Feature row A04."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import IMAGE, ROLE, Harness

from sagewright.base.clock import VirtualClock

START = 1_800_000_000.0
NAMES = ["delta", "alpha", "echo", "bravo", "charlie"]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def harness(clock: VirtualClock) -> Iterator[Harness]:
    with Harness(clock) as started:
        yield started


@pytest.fixture
def client(harness: Harness, clock: VirtualClock) -> Any:
    """Five models, made one minute after the other."""
    client = harness.client("sagemaker")
    for name in NAMES:
        client.create_model(ModelName=f"model-{name}", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
        clock.advance(60)
    return client


def names(answer: dict[str, Any]) -> list[str]:
    return [model["ModelName"].removeprefix("model-") for model in answer["Models"]]


def at(minute: int) -> datetime:
    return datetime.fromtimestamp(START + 60 * minute, UTC)


def test_newest_first_unless_told_otherwise(client: Any) -> None:
    """ListModels: SortBy defaults to CreationTime, SortOrder to Descending."""
    assert names(client.list_models()) == NAMES[::-1]
    assert names(client.list_models(SortOrder="Ascending")) == NAMES
    assert names(client.list_models(SortBy="Name")) == sorted(NAMES, reverse=True)
    assert names(client.list_models(SortBy="Name", SortOrder="Ascending")) == sorted(NAMES)


def test_documented_defaults_differ(client: Any) -> None:
    """ListCodeRepositories: SortBy defaults to Name, SortOrder to Ascending; ListImages spells its orders in capitals."""
    for name in ("b", "a", "c"):
        client.create_code_repository(CodeRepositoryName=name, GitConfig={"RepositoryUrl": "https://example.com/x"})
        client.create_image(ImageName=name, RoleArn=ROLE)
    assert [item["CodeRepositoryName"] for item in client.list_code_repositories()["CodeRepositorySummaryList"]] == [
        "a",
        "b",
        "c",
    ]
    images = client.list_images(SortBy="IMAGE_NAME", SortOrder="ASCENDING")["Images"]
    assert [image["ImageName"] for image in images] == ["a", "b", "c"]


def test_ten_to_a_page_by_default(client: Any) -> None:
    for number in range(8):
        client.create_model(ModelName=f"m{number}", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
    first = client.list_models()
    assert len(first["Models"]) == 10
    second = client.list_models(NextToken=first["NextToken"])
    assert len(second["Models"]) == 3
    assert "NextToken" not in second


@pytest.mark.parametrize("sort_by", ["Name", "CreationTime"])
@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_together_are_the_whole(client: Any, sort_by: str, order: str, size: int) -> None:
    whole = names(client.list_models(SortBy=sort_by, SortOrder=order))
    pages = client.get_paginator("list_models").paginate(SortBy=sort_by, SortOrder=order, PaginationConfig={"PageSize": size})
    assert [name for page in pages for name in names(page)] == whole


def test_pages_stay_right_while_rows_come_and_go(client: Any) -> None:
    """A token is a position, not a count: deleting what was seen and making new ones neither skips nor repeats."""
    first = client.list_models(MaxResults=2, SortOrder="Ascending")
    client.delete_model(ModelName="model-delta")
    client.create_model(ModelName="model-late", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE)
    rest = client.list_models(MaxResults=9, SortOrder="Ascending", NextToken=first["NextToken"])
    assert names(first) + names(rest) == [*NAMES, "late"]


@pytest.mark.parametrize("token", ["nonsense", "AAAA", "💥", "x" * 4000])
def test_made_up_token(client: Any, token: str) -> None:
    with pytest.raises(ClientError) as error:
        client.list_models(NextToken=token)
    assert error.value.response["Error"]["Code"] == "ValidationException"


def test_token_of_another_question(client: Any) -> None:
    token = client.list_models(MaxResults=1)["NextToken"]
    for call in (
        lambda: client.list_models(NextToken=token, SortBy="Name"),
        lambda: client.list_endpoint_configs(NextToken=token),
        lambda: client.list_models(NextToken=token[:-4] + "AAAA"),
    ):
        with pytest.raises(ClientError, match="Invalid NextToken"):
            call()


def test_filters_by_name_and_time(client: Any) -> None:
    """NameContains; CreationTimeAfter is inclusive, CreationTimeBefore exclusive."""
    assert names(client.list_models(NameContains="model-e")) == ["echo"]
    assert names(client.list_models(NameContains="nothing")) == []
    assert names(client.list_models(CreationTimeAfter=at(1), CreationTimeBefore=at(3))) == ["echo", "alpha"]


def test_filters_on_members(client: Any) -> None:
    """…Equals, …Contains, …Prefix and plain members, some of them inside others."""
    for name, uri in (("one", "s3://b/1"), ("two", "s3://b/2")):
        client.create_context(ContextName=name, ContextType="t", Source={"SourceUri": uri})
        client.create_pipeline(PipelineName=f"{name}-p", PipelineDefinition='{"Steps": []}', RoleArn=ROLE)
    assert [c["ContextName"] for c in client.list_contexts(SourceUri="s3://b/2")["ContextSummaries"]] == ["two"]
    assert client.list_contexts(ContextType="other")["ContextSummaries"] == []
    assert len(client.list_pipelines(ManagedBy="CUSTOMER")["PipelineSummaries"]) == 2
    assert client.list_pipelines(ManagedBy="AWS")["PipelineSummaries"] == []
    for app_type in ("JupyterLab", "CodeEditor"):
        client.create_studio_lifecycle_config(
            StudioLifecycleConfigName=app_type, StudioLifecycleConfigContent="eA==", StudioLifecycleConfigAppType=app_type
        )
    found = client.list_studio_lifecycle_configs(AppTypeEquals="CodeEditor")["StudioLifecycleConfigs"]
    assert [config["StudioLifecycleConfigName"] for config in found] == ["CodeEditor"]
    assert [p["PipelineName"] for p in client.list_pipelines(PipelineNamePrefix="tw")["PipelineSummaries"]] == ["two-p"]


def test_versions_sort_as_numbers(client: Any) -> None:
    client.create_image(ImageName="img", RoleArn=ROLE)
    for _ in range(11):
        client.create_image_version(ImageName="img", BaseImage=IMAGE)
    pages = client.get_paginator("list_image_versions").paginate(
        ImageName="img", SortBy="VERSION", SortOrder="ASCENDING", PaginationConfig={"PageSize": 3}
    )
    assert [version["Version"] for page in pages for version in page["ImageVersions"]] == list(range(1, 12))


def test_a_filter_nobody_has_thought_about_is_refused(client: Any) -> None:
    """Never a wrong answer: an empty list would be one."""
    with pytest.raises(ClientError, match="ListTrainingPlans with Filters"):
        client.list_training_plans(Filters=[{"Name": "Status", "Value": "Active"}])


def test_filter_on_a_member_still_fills_its_pages(client: Any) -> None:
    """Filters that the store cannot apply must not make pages short or lose what comes after."""
    for number in range(30):
        kind = "odd" if number % 2 else "even"
        client.create_action(ActionName=f"a{number:02}", ActionType=kind, Source={"SourceUri": "s3://b/k"})
    pages = client.get_paginator("list_actions").paginate(ActionType="odd", PaginationConfig={"PageSize": 4})
    sizes = [len(page["ActionSummaries"]) for page in pages]
    assert sizes == [4, 4, 4, 3]


def test_children_of_one_parent(client: Any) -> None:
    """ListUserProfiles and ListSpaces by domain, ListTrials by experiment."""
    settings: dict[str, Any] = {"AuthMode": "IAM", "DefaultUserSettings": {}, "SubnetIds": ["subnet-1"], "VpcId": "vpc-1"}
    domains = [client.create_domain(DomainName=name, **settings)["DomainId"] for name in ("a", "b")]
    for domain in domains:
        client.create_user_profile(DomainId=domain, UserProfileName=f"user-{domain}")
    profiles = client.list_user_profiles(DomainIdEquals=domains[0])["UserProfiles"]
    assert [profile["UserProfileName"] for profile in profiles] == [f"user-{domains[0]}"]
    assert len(client.list_user_profiles()["UserProfiles"]) == 2
    assert len(client.list_user_profiles(UserProfileNameContains=domains[1])["UserProfiles"]) == 1


def test_last_modified(client: Any, clock: VirtualClock) -> None:
    client.create_code_repository(CodeRepositoryName="r", GitConfig={"RepositoryUrl": "https://example.com/x"})
    made = client.describe_code_repository(CodeRepositoryName="r")
    clock.advance(100)
    client.update_code_repository(
        CodeRepositoryName="r", GitConfig={"SecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x"}
    )
    changed = client.describe_code_repository(CodeRepositoryName="r")
    assert changed["CreationTime"] == made["CreationTime"]
    assert (changed["LastModifiedTime"] - made["LastModifiedTime"]).total_seconds() == 100
    after = changed["LastModifiedTime"]
    assert len(client.list_code_repositories(LastModifiedTimeAfter=after)["CodeRepositorySummaryList"]) == 1
    assert client.list_code_repositories(LastModifiedTimeBefore=after)["CodeRepositorySummaryList"] == []
