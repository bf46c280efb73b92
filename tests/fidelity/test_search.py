"""Search: filters, operators, nesting, sort, pages. Feature rows A04, M02, M03."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from harness import IMAGE, ROLE, Harness

from sagewright.base.clock import VirtualClock


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Six trial components with parameters, metrics of a kind, tags and a trial."""
    clock = VirtualClock()
    with Harness(clock) as harness:
        client = harness.client("sagemaker")
        client.create_experiment(ExperimentName="exp")
        client.create_trial(TrialName="trial", ExperimentName="exp")
        for number in range(6):
            client.create_trial_component(
                TrialComponentName=f"c{number}",
                Parameters={"lr": {"NumberValue": number / 10}, "solver": {"StringValue": "adam" if number % 2 else "sgd"}},
                Tags=[{"Key": "team", "Value": "red" if number < 3 else "blue"}],
                InputArtifacts={"data": {"Value": f"s3://bucket/{number}"}},
            )
            clock.advance(60)
        for number in (1, 4):
            client.associate_trial_component(TrialComponentName=f"c{number}", TrialName="trial")
        yield client


def found(client: Any, expression: dict[str, Any], **more: Any) -> list[str]:
    answer = client.search(Resource="ExperimentTrialComponent", SearchExpression=expression, **{"MaxResults": 100, **more})
    return [record["TrialComponent"]["TrialComponentName"] for record in answer["Results"]]


def one(name: str, operator: str | None = None, value: str | None = None) -> dict[str, Any]:
    entry = {"Name": name, "Operator": operator, "Value": value}
    return {"Filters": [{member: text for member, text in entry.items() if text is not None}]}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (one("TrialComponentName", "Equals", "c3"), {"c3"}),
        (one("TrialComponentName", None, "c3"), {"c3"}),
        (one("TrialComponentName", "NotEquals", "c3"), {"c0", "c1", "c2", "c4", "c5"}),
        (one("TrialComponentName", "In", "c1, c2"), {"c1", "c2"}),
        (one("TrialComponentName", "Contains", "C"), {"c0", "c1", "c2", "c3", "c4", "c5"}),
        (one("Parameters.lr", "GreaterThan", "0.3"), {"c4", "c5"}),
        (one("Parameters.lr", "GreaterThanOrEqualTo", "0.3"), {"c3", "c4", "c5"}),
        (one("Parameters.lr", "LessThan", "0.1"), {"c0"}),
        (one("Parameters.lr", "LessThanOrEqualTo", "0.1"), {"c0", "c1"}),
        (one("Parameters.solver", "Equals", "adam"), {"c1", "c3", "c5"}),
        (one("Tags.team", "Equals", "blue"), {"c3", "c4", "c5"}),
        (one("Parents.TrialName", "Equals", "trial"), {"c1", "c4"}),
        (one("Parents", "Exists"), {"c1", "c4"}),
        (one("Parents", "NotExists"), {"c0", "c2", "c3", "c5"}),
        (one("InputArtifacts.data.Value", "Equals", "s3://bucket/2"), {"c2"}),
        (one("CreationTime", "GreaterThan", "2027-01-15T08:03:30Z"), {"c4", "c5"}),
        ({"Filters": [*one("Tags.team", None, "red")["Filters"], *one("Parents", "Exists")["Filters"]]}, {"c1"}),
        (
            {
                "Filters": [*one("TrialComponentName", None, "c0")["Filters"], *one("Parents", "Exists")["Filters"]],
                "Operator": "Or",
            },
            {"c0", "c1", "c4"},
        ),
        (
            {"SubExpressions": [one("TrialComponentName", None, "c0"), one("Tags.team", None, "blue")], "Operator": "Or"},
            {"c0", "c3", "c4", "c5"},
        ),
        (
            {
                "NestedFilters": [
                    {
                        "NestedPropertyName": "Parents",
                        "Filters": [
                            {"Name": "Parents.TrialName", "Operator": "Equals", "Value": "trial"},
                            {"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": "exp"},
                        ],
                    }
                ]
            },
            {"c1", "c4"},
        ),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),  # xdist's workers must agree on ids
)
def test_expressions(client: Any, expression: dict[str, Any], wanted: set[str]) -> None:
    assert set(found(client, expression)) == wanted


def test_newest_change_first_and_by_any_property(client: Any) -> None:
    """SortBy defaults to LastModifiedTime, SortOrder to Descending."""
    assert found(client, {})[0] == "c5"
    assert found(client, {}, SortBy="Parameters.lr", SortOrder="Ascending") == [f"c{number}" for number in range(6)]
    assert found(client, {}, SortBy="TrialComponentName", SortOrder="Descending")[0] == "c5"


def test_pages(client: Any) -> None:
    pages = client.get_paginator("search").paginate(Resource="ExperimentTrialComponent", PaginationConfig={"PageSize": 4})
    seen = [[record["TrialComponent"]["TrialComponentName"] for record in page["Results"]] for page in pages]
    assert [len(page) for page in seen] == [4, 2]
    assert sorted(name for page in seen for name in page) == [f"c{number}" for number in range(6)]


def test_results_carry_tags_and_parents(client: Any) -> None:
    record = client.search(Resource="ExperimentTrialComponent", SearchExpression=one("TrialComponentName", None, "c1"))[
        "Results"
    ][0]
    assert record["TrialComponent"]["Tags"] == [{"Key": "team", "Value": "red"}]
    assert record["TrialComponent"]["Parents"] == [{"TrialName": "trial", "ExperimentName": "exp"}]


def test_total_hits(client: Any) -> None:
    answer = client.search(Resource="ExperimentTrialComponent", SearchExpression=one("Tags.team", None, "red"), MaxResults=1)
    assert answer["TotalHits"] == {"Value": 3, "Relation": "EqualTo"}


@pytest.mark.parametrize(
    ("resource", "member"),
    [("Model", "Model"), ("ModelPackageGroup", "ModelPackageGroup"), ("Pipeline", "Pipeline"), ("ModelCard", "ModelCard")],
)
def test_other_resources(client: Any, resource: str, member: str) -> None:
    """SDK (register): Search(Resource=ModelPackageGroup)."""
    makers = {
        "Model": lambda: client.create_model(ModelName="m", PrimaryContainer={"Image": IMAGE}, ExecutionRoleArn=ROLE),
        "ModelPackageGroup": lambda: client.create_model_package_group(ModelPackageGroupName="g"),
        "Pipeline": lambda: client.create_pipeline(PipelineName="p", PipelineDefinition='{"Steps": []}', RoleArn=ROLE),
        "ModelCard": lambda: client.create_model_card(ModelCardName="c", Content="{}", ModelCardStatus="Draft"),
    }
    makers[resource]()
    assert member in client.search(Resource=resource)["Results"][0]


def test_operator_without_its_value(client: Any) -> None:
    with pytest.raises(ClientError, match="Value is required"):
        found(client, one("TrialComponentName", "Equals"))


def test_suggestions(client: Any) -> None:
    query = {"PropertyNameQuery": {"PropertyNameHint": "train"}}
    answer = client.get_search_suggestions(Resource="TrainingJob", SuggestionQuery=query)
    assert "TrainingJobName" in [item["PropertyName"] for item in answer["PropertyNameSuggestions"]]
