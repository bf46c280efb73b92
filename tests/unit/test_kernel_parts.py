"""Projection, paging and search expressions by themselves, with values nobody chose."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagewright.base.world import World
from sagewright.kernel.expressions import check, matches, values
from sagewright.kernel.paging import Tokens, window
from sagewright.kernel.projection import Projections, at, every
from sagewright.kernel.shapes import Model, members
from sagewright.wire.errors import Fault

MODEL = Model("sagemaker")
WORLD = World("123456789012", "us-east-1")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "Key", "Value", "MetricName"]), inner, max_size=3)
    ),
    max_leaves=12,
)


def test_projection_leaves_out_what_the_shape_has_not_and_what_has_no_value() -> None:
    project = Projections().of(MODEL.output("DescribeModel"))
    document = {
        "ModelName": "m",
        "secret": 1,
        "ExecutionRoleArn": None,
        "PrimaryContainer": {"Image": "i", "inner": 2, "Mode": None},
    }
    assert project(document) == {"ModelName": "m", "PrimaryContainer": {"Image": "i"}}


def test_projection_takes_trusted_members_as_they_are() -> None:
    given_members = members(MODEL.input("CreateModel"))
    project = Projections().of(MODEL.output("DescribeModel"), given_members)
    container = {"Image": "i"}
    assert project({"PrimaryContainer": container})["PrimaryContainer"] is container


def test_projection_of_a_recursive_shape_ends() -> None:
    """SearchExpression holds SearchExpressions."""
    project = Projections().of(MODEL.input("Search"))
    document = {"SearchExpression": {"SubExpressions": [{"SubExpressions": [{"Operator": "Or", "x": 1}]}]}}
    assert project(document) == {"SearchExpression": {"SubExpressions": [{"SubExpressions": [{"Operator": "Or"}]}]}}


@given(JSON)
def test_projection_never_fails_on_what_a_controller_wrote(value: Any) -> None:
    project = Projections().of(MODEL.output("DescribeTrainingJob"))
    project({"ModelArtifacts": value, "SecondaryStatusTransitions": value, "HyperParameters": value})


def test_paths() -> None:
    document = {"a": {"b": [{"c": 1}, {"c": 2}, {}]}, "x": None}
    assert at(document, "a.b") == document["a"]["b"]  # type: ignore[index]
    assert at(document, "a.z.q") is None
    assert every(document, "a.b[].c") == [1, 2]
    assert every(document, "x.y[]") == []


@given(st.text(max_size=60))
def test_no_text_is_a_token(text: str) -> None:
    tokens = Tokens(b"secret")
    if text:
        with pytest.raises(Fault):
            tokens.read(WORLD, "ListModels", {"NextToken": text})


@given(st.integers(0, 40), st.integers(0, 255))
def test_a_changed_token_is_refused(place: int, byte: int) -> None:
    tokens = Tokens(b"secret")
    token = tokens.make(WORLD, "ListModels", {"SortBy": "Name"}, ("model", "model"))
    assert tokens.read(WORLD, "ListModels", {"SortBy": "Name", "NextToken": token, "MaxResults": 3}) == ("model", "model")
    changed = token[: place % len(token)] + chr(byte) + token[place % len(token) + 1 :]
    if changed != token:
        with pytest.raises(Fault):
            tokens.read(WORLD, "ListModels", {"SortBy": "Name", "NextToken": changed})


def test_a_token_is_good_for_one_account_and_one_secret() -> None:
    token = Tokens(b"secret").make(WORLD, "ListModels", {}, (1.0, "m"))
    for other, world in ((Tokens(b"other"), WORLD), (Tokens(b"secret"), World("999999999999", "us-east-1"))):
        with pytest.raises(Fault):
            other.read(world, "ListModels", {"NextToken": token})


@given(
    st.lists(st.tuples(st.none() | st.integers(0, 3) | st.text(max_size=1), st.uuids().map(str)), max_size=12),
    st.booleans(),
    st.integers(1, 4),
)
def test_windows_together_are_the_whole(items: list[Any], descending: bool, limit: int) -> None:
    seen: list[Any] = []
    after = None
    while True:
        page, after = window(items, lambda item: item, after, descending, limit)
        seen.extend(page)
        if after is None:
            break
    assert sorted(map(str, seen)) == sorted(map(str, items))
    assert seen == window(items, lambda item: item, None, descending, 1000)[0]


@given(
    JSON,
    st.sampled_from(["a", "a.b", "Tags.a", "a.b.Key", ""]),
    st.sampled_from(["Equals", "NotEquals", "In", "LessThan", "Contains", "Exists"]),
)
def test_filters_never_fail(document: Any, name: str, operator: str) -> None:
    matches({"Filters": [{"Name": name, "Operator": operator, "Value": "1"}]}, {"a": document, "Tags": document})


def test_entries_by_name() -> None:
    document = {"Tags": [{"Key": "a.b", "Value": "x"}], "Metrics": [{"MetricName": "loss", "Min": 1.0, "Last": 2.0}]}
    assert values(document, "Tags.a.b") == ["x"]
    assert values(document, "Metrics.loss.Min") == [1.0]
    assert values(document, "Metrics.loss") == [2.0]


def test_nothing_asked_is_everything() -> None:
    assert matches(None, {})
    assert matches({"Operator": "Or"}, {})
    check(None)
