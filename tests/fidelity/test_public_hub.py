"""J15: SageMakerPublicHub as the SDKs read it, beside the account's own hubs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import Harness

HUB = "SageMakerPublicHub"
ARN = "arn:aws:sagemaker:us-east-1:aws:hub/SageMakerPublicHub"
MODEL = {"HubName": HUB, "HubContentType": "Model", "HubContentName": "lightgbm-regression-model"}


@pytest.fixture
def client() -> Iterator[Any]:
    with Harness() as harness:
        yield harness.client("sagemaker")


def test_it_is_described_by_name_and_by_arn(client: Any) -> None:
    assert client.describe_hub(HubName=HUB)["HubArn"] == ARN
    assert client.describe_hub(HubName=ARN)["HubStatus"] == "InService"
    found = client.describe_hub_content(**{**MODEL, "HubName": ARN})
    assert found["HubContentArn"] == ARN.replace(":hub/", ":hub-content/") + "/Model/lightgbm-regression-model/2.2.7"
    assert client.describe_hub_content(**MODEL, HubContentVersion="2.2.7")["HubContentStatus"] == "Available"


def test_a_document_says_where_everything_is(client: Any) -> None:
    document = json.loads(client.describe_hub_content(**MODEL)["HubContentDocument"])
    bucket = "s3://jumpstart-cache-prod-us-east-1/"
    places = [document[name] for name in ("TrainingScriptUri", "TrainingArtifactUri", "HostingArtifactUri", "HostingScriptUri")]
    assert all(place.startswith(bucket) and place.endswith(".tar.gz") for place in places)
    assert document["DefaultTrainingDatasetUri"] == bucket + "training-datasets/tabular_regression/"
    names = {item["Name"]: item for item in document["Hyperparameters"]}
    assert names["num_boost_round"]["Default"] == 5000
    assert (names["learning_rate"]["Min"], names["learning_rate"]["Max"], names["learning_rate"]["Type"]) == (0, 1, "float")
    assert names["boosting"]["Options"] == ["gbdt", "rf", "dart", "goss"]
    assert {"Name": "rmse", "Regex": "rmse: ([0-9\\.]+)"} in document["TrainingMetrics"]


def test_it_is_listed_in_pages(client: Any) -> None:
    names, more = [], {}
    while more is not None:
        page = client.list_hub_contents(HubName=HUB, HubContentType="Model", SortOrder="Ascending", MaxResults=1, **more)
        names += [item["HubContentName"] for item in page["HubContentSummaries"]]
        more = {"NextToken": page["NextToken"]} if "NextToken" in page else None
    assert names == sorted(set(names))
    assert {"catboost-classification-model", "lightgbm-classification-model"} <= set(names)
    some = client.list_hub_contents(HubName=HUB, HubContentType="Model", NameContains="catboost")["HubContentSummaries"]
    assert {item["HubContentName"] for item in some} == {"catboost-classification-model", "catboost-regression-model"}
    assert client.list_hub_contents(HubName=HUB, HubContentType="Notebook")["HubContentSummaries"] == []
    assert len(client.list_hub_content_versions(**MODEL)["HubContentSummaries"]) == 1


def test_nobody_changes_it(client: Any) -> None:
    def code(operation: str, **request: Any) -> str:
        with pytest.raises(ClientError) as refused:
            getattr(client, operation)(**request)
        return str(refused.value.response["Error"]["Code"])

    content = {**MODEL, "DocumentSchemaVersion": "1.0.0", "HubContentDocument": "{}"}
    assert code("import_hub_content", **content) == "AccessDeniedException"
    assert code("delete_hub_content", **MODEL, HubContentVersion="2.2.7") == "AccessDeniedException"
    assert code("create_hub", HubName=HUB, HubDescription="mine") == "AccessDeniedException"
    assert code("describe_hub_content", **{**MODEL, "HubContentName": "no-such-model"}) == "ResourceNotFound"
    assert code("describe_hub_content", **MODEL, HubContentVersion="9.9.9") == "ResourceNotFound"
    client.create_hub(HubName="own", HubDescription="mine")
    assert client.describe_hub(HubName="own")["HubArn"].endswith(":123456789012:hub/own")
