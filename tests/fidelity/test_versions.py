"""Versioned records: model packages, image versions, model cards, hub contents, pipelines. Feature rows M01, M02, M09, J15."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import IMAGE, ROLE, Harness

INFERENCE = {
    "Containers": [{"Image": IMAGE}],
    "SupportedContentTypes": ["text/csv"],
    "SupportedResponseMIMETypes": ["text/csv"],
}


@pytest.fixture
def client() -> Iterator[Any]:
    with Harness() as harness:
        yield harness.client("sagemaker")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_model_packages_are_numbered_in_their_group(client: Any) -> None:
    """M02: ARN model-package/<group>/<n> from 1; numbers are not used again."""
    client.create_model_package_group(ModelPackageGroupName="Group")
    arns = [
        client.create_model_package(ModelPackageGroupName="Group", InferenceSpecification=INFERENCE)["ModelPackageArn"]
        for _ in range(3)
    ]
    assert [arn.rpartition(":")[2] for arn in arns] == [f"model-package/group/{number}" for number in (1, 2, 3)]
    client.delete_model_package(ModelPackageName=arns[2])
    again = client.create_model_package(
        ModelPackageGroupName=arns[0].replace("model-package/group/1", "model-package-group/group")
    )
    assert again["ModelPackageArn"].endswith("/4")
    described = client.describe_model_package(ModelPackageName=arns[0])
    assert described["ModelPackageGroupName"] == "Group"
    assert described["ModelPackageVersion"] == 1
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    assert described["InferenceSpecification"] == INFERENCE


def test_versioned_and_unversioned_packages_are_listed_apart(client: Any) -> None:
    """DOC (ListModelPackages): unversioned by default; naming a group shows its versions."""
    client.create_model_package_group(ModelPackageGroupName="g")
    client.create_model_package(ModelPackageGroupName="g")
    client.create_model_package(ModelPackageName="alone")
    listed = client.list_model_packages()["ModelPackageSummaryList"]
    assert [item["ModelPackageName"] for item in listed] == ["alone"]
    assert len(client.list_model_packages(ModelPackageGroupName="g")["ModelPackageSummaryList"]) == 1
    assert len(client.list_model_packages(ModelPackageType="Both")["ModelPackageSummaryList"]) == 2
    assert (
        client.list_model_packages(ModelPackageGroupName="g", ModelApprovalStatus="Approved")["ModelPackageSummaryList"] == []
    )


def test_approval_and_metadata(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="g")
    arn = client.create_model_package(ModelPackageGroupName="g", CustomerMetadataProperties={"a": "1", "b": "2"})[
        "ModelPackageArn"
    ]
    client.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="good",
        CustomerMetadataProperties={"c": "3"},
        CustomerMetadataPropertiesToRemove=["a"],
        AdditionalInferenceSpecificationsToAdd=[{"Name": "gpu", "Containers": [{"Image": IMAGE}]}],
    )
    described = client.describe_model_package(ModelPackageName=arn)
    assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == ("Approved", "good")
    assert described["CustomerMetadataProperties"] == {"b": "2", "c": "3"}
    assert [item["Name"] for item in described["AdditionalInferenceSpecifications"]] == ["gpu"]


def test_packages_keep_their_group(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="g")
    arn = client.create_model_package(ModelPackageGroupName="g")["ModelPackageArn"]
    with pytest.raises(ClientError) as error:
        client.delete_model_package_group(ModelPackageGroupName="g")
    assert code(error) == "ConflictException"
    client.delete_model_package(ModelPackageName=arn)
    client.delete_model_package_group(ModelPackageGroupName="g")


def test_group_or_name(client: Any) -> None:
    with pytest.raises(ClientError, match=r"ModelPackageGroup .* does not exist\."):
        client.create_model_package(ModelPackageGroupName="nobody")
    for wrong in ({}, {"ModelPackageName": "a", "ModelPackageGroupName": "b"}):
        with pytest.raises(ClientError) as error:
            client.create_model_package(**wrong)
        assert code(error) == "ValidationException"


def test_many_packages_at_once(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="g")
    arn = client.create_model_package(ModelPackageGroupName="g", InferenceSpecification=INFERENCE)["ModelPackageArn"]
    answer = client.batch_describe_model_package(ModelPackageArnList=[arn, arn + "9"])
    assert answer["ModelPackageSummaries"][arn]["ModelPackageVersion"] == 1
    assert answer["BatchDescribeModelPackageErrorMap"][arn + "9"]["ErrorCode"] == "ValidationException"


def test_group_policy(client: Any) -> None:
    client.create_model_package_group(ModelPackageGroupName="g")
    with pytest.raises(ClientError, match="Cannot find resource policy"):
        client.get_model_package_group_policy(ModelPackageGroupName="g")
    client.put_model_package_group_policy(ModelPackageGroupName="g", ResourcePolicy='{"Version": "2012-10-17"}')
    assert client.get_model_package_group_policy(ModelPackageGroupName="g")["ResourcePolicy"] == '{"Version": "2012-10-17"}'
    client.delete_model_package_group_policy(ModelPackageGroupName="g")
    with pytest.raises(ClientError, match="Cannot find resource policy"):
        client.delete_model_package_group_policy(ModelPackageGroupName="g")


def test_image_versions(client: Any) -> None:
    """Found by number, by alias, or as the latest; aliases are unique within an image."""
    client.create_image(ImageName="img", RoleArn=ROLE)
    for number in (1, 2):
        client.create_image_version(ImageName="img", BaseImage=f"{IMAGE}-{number}", Aliases=[f"alias-{number}"])
    assert client.describe_image_version(ImageName="img")["Version"] == 2
    assert client.describe_image_version(ImageName="img", Alias="alias-1")["BaseImage"] == f"{IMAGE}-1"
    assert client.describe_image_version(ImageName="img", Version=1)["ImageVersionArn"].endswith("image-version/img/1")
    with pytest.raises(ClientError) as error:
        client.update_image_version(ImageName="img", Version=1, AliasesToAdd=["alias-2"])
    assert code(error) == "ResourceInUse"
    client.update_image_version(ImageName="img", Version=2, AliasesToDelete=["alias-2"], ReleaseNotes="n")
    client.update_image_version(ImageName="img", Version=1, AliasesToAdd=["alias-2"])
    assert client.list_aliases(ImageName="img", Version=1)["SageMakerImageVersionAliases"] == ["alias-1", "alias-2"]
    versions = client.list_image_versions(ImageName="img", SortBy="VERSION", SortOrder="ASCENDING")["ImageVersions"]
    assert [version["Version"] for version in versions] == [1, 2]
    client.delete_image_version(ImageName="img", Alias="alias-2")
    assert client.describe_image_version(ImageName="img")["Version"] == 2
    client.delete_image(ImageName="img")
    with pytest.raises(ClientError) as error:
        client.describe_image_version(ImageName="img", Version=1)
    assert code(error) == "ResourceNotFound"


def test_model_card_versions(client: Any) -> None:
    """M09: each change is a version; the old ones can be read; MetadataOnly leaves the public part."""
    content = {"model_overview": {"model_name": "m", "model_description": "secret"}, "intended_uses": {"risk_rating": "Low"}}
    client.create_model_card(ModelCardName="card", Content=json.dumps(content), ModelCardStatus="Draft")
    client.update_model_card(ModelCardName="card", ModelCardStatus="Approved")
    client.update_model_card(ModelCardName="card", Content="{}")
    assert client.describe_model_card(ModelCardName="card")["ModelCardVersion"] == 3
    first = client.describe_model_card(ModelCardName="card", ModelCardVersion=1)
    assert (first["ModelCardStatus"], json.loads(first["Content"])) == ("Draft", content)
    public = client.describe_model_card(ModelCardName="card", ModelCardVersion=2, IncludedData="MetadataOnly")
    assert json.loads(public["Content"]) == {"model_overview": {"model_name": "m"}, "intended_uses": {"risk_rating": "Low"}}
    listed = client.list_model_card_versions(ModelCardName="card", SortOrder="Ascending")["ModelCardVersionSummaryList"]
    assert [(item["ModelCardVersion"], item["ModelCardStatus"]) for item in listed] == [
        (1, "Draft"),
        (2, "Approved"),
        (3, "Approved"),
    ]
    with pytest.raises(ClientError, match="single call"):
        client.update_model_card(ModelCardName="card", Content="{}", ModelCardStatus="Draft")
    with pytest.raises(ClientError, match="not valid JSON"):
        client.create_model_card(ModelCardName="other", Content="{", ModelCardStatus="Draft")
    client.delete_model_card(ModelCardName="card")
    with pytest.raises(ClientError):
        client.list_model_card_versions(ModelCardName="card")


def test_hub_contents(client: Any) -> None:
    """J15: imported documents in versions; the highest one is the one without a version."""
    client.create_hub(HubName="hub", HubDescription="d")
    content = {"HubName": "hub", "HubContentType": "Model", "HubContentName": "m"}
    for version in ("1.2.0", "1.10.0", "1.9.0"):
        client.import_hub_content(**content, HubContentVersion=version, DocumentSchemaVersion="1.0.0", HubContentDocument="{}")
    described = client.describe_hub_content(**content)
    assert described["HubContentVersion"] == "1.10.0"
    assert described["HubContentArn"].endswith("hub-content/hub/Model/m/1.10.0")
    assert described["HubContentStatus"] == "Available"
    latest = client.list_hub_contents(HubName="hub", HubContentType="Model")["HubContentSummaries"]
    assert [item["HubContentVersion"] for item in latest] == ["1.10.0"]
    versions = client.list_hub_content_versions(**content, MinVersion="1.9.0")["HubContentSummaries"]
    assert {item["HubContentVersion"] for item in versions} == {"1.9.0", "1.10.0"}
    client.import_hub_content(**content, DocumentSchemaVersion="1.0.0", HubContentDocument="{}")
    assert client.describe_hub_content(**content)["HubContentVersion"] == "2.0.0"
    client.update_hub_content(**content, HubContentVersion="1.9.0", HubContentDescription="changed", SupportStatus="Deprecated")
    changed = client.describe_hub_content(**content, HubContentVersion="1.9.0")
    assert (changed["HubContentDescription"], changed["SupportStatus"]) == ("changed", "Deprecated")
    with pytest.raises(ClientError) as error:
        client.delete_hub(HubName="hub")
    assert code(error) == "ResourceInUse"
    client.delete_hub_content(**content, HubContentVersion="1.9.0")
    with pytest.raises(ClientError) as error:
        client.describe_hub_content(**content, HubContentVersion="1.9.0")
    assert code(error) == "ResourceNotFound"


def test_pipeline_versions(client: Any) -> None:
    """M01: every update is a version, found by number or alias."""
    first, second = ('{"Steps": [], "Version": "2020-12-01"}', '{"Steps": [], "Version": "2020-12-01", "Metadata": {}}')
    client.create_pipeline(PipelineName="p", PipelineDefinition=first, RoleArn=ROLE, PipelineVersionAliases=["blue"])
    answer = client.update_pipeline(PipelineName="p", PipelineDefinition=second)
    assert answer["PipelineVersionId"] == 2
    assert client.describe_pipeline(PipelineName=answer["PipelineArn"])["PipelineDefinition"] == second
    assert client.describe_pipeline(PipelineName="p", PipelineVersionAlias="blue")["PipelineDefinition"] == first
    assert client.describe_pipeline(PipelineName="p", PipelineVersionId=1)["PipelineDefinition"] == first
    change = {"Add": ["green"], "Remove": ["blue"]}
    client.update_pipeline_version(
        PipelineArn=answer["PipelineArn"],
        PipelineVersionId=1,
        PipelineVersionDisplayName="one",
        PipelineVersionAliasOperations=change,
    )
    listed = client.list_pipeline_versions(PipelineName="p", SortOrder="Ascending")["PipelineVersionSummaries"]
    assert [item["PipelineVersionId"] for item in listed] == [1, 2]
    assert (listed[0]["PipelineVersionDisplayName"], listed[0]["PipelineVersionAliases"]) == ("one", ["green"])
    for wanted in ({"PipelineVersionId": 9}, {"PipelineVersionAlias": "blue"}):
        with pytest.raises(ClientError) as error:
            client.describe_pipeline(PipelineName="p", **wanted)
        assert code(error) == "ResourceNotFound"


@pytest.mark.parametrize("wrong", ["{", "[]", "{}", '{"Steps": 1}'])
def test_what_is_no_pipeline(client: Any, wrong: str) -> None:
    with pytest.raises(ClientError, match="Unable to parse pipeline definition"):
        client.create_pipeline(PipelineName="p", PipelineDefinition=wrong, RoleArn=ROLE)


class Definitions:
    """Stands where objects.s3.Objects stands: one readable object."""

    async def read(self, location: Any) -> bytes:
        if (location.bucket, location.key) != ("bucket", "definition.json"):
            raise FileNotFoundError
        return b'{"Steps": [], "Version": "2020-12-01"}'


def test_definition_in_s3(client: Any) -> None:
    """SDK: definitions above 100 kB go to S3."""
    location = {"Bucket": "bucket", "ObjectKey": "definition.json"}
    with Harness(objects=Definitions()) as harness:  # type: ignore[arg-type]
        other = harness.client("sagemaker")
        other.create_pipeline(PipelineName="p", PipelineDefinitionS3Location=location, RoleArn=ROLE)
        assert json.loads(other.describe_pipeline(PipelineName="p")["PipelineDefinition"])["Steps"] == []
        with pytest.raises(ClientError, match="Unable to read the pipeline definition"):
            other.update_pipeline(PipelineName="p", PipelineDefinitionS3Location={**location, "ObjectKey": "nobody"})
    with pytest.raises(ClientError) as error:
        client.create_pipeline(PipelineName="p", PipelineDefinitionS3Location=location, RoleArn=ROLE)
    assert code(error) == "UnsupportedOperationException"
