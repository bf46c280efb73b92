"""Ranges of hyperparameters on every scale, and what Autotune makes of an example (I01; DG automatic-model-tuning-define-ranges)."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from sagewright.features.tuning import autotune
from sagewright.features.tuning.ranges import Range, Space
from sagewright.features.tuning.search import STARTUP, spread


def numbers(low: str, high: str, scaling: str, kind: str = "continuous") -> Range:
    document = {"Name": "x", "MinValue": low, "MaxValue": high, "ScalingType": scaling}
    return Range.of(kind, document)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "scaling", "middle"),
    [
        ("0", "10", "Linear", 5.0),
        ("0.001", "10", "Logarithmic", 0.1),
        ("0.001", "10", "Auto", 0.1),  # a factor of 10 000
        ("1", "10", "Auto", 5.5),
        ("-1", "1000", "Auto", 499.5),
        ("0", "0.9999", "ReverseLogarithmic", 0.99),
    ],
)
def test_the_middle_of_a_scale(low: str, high: str, scaling: str, middle: float) -> None:
    assert float(numbers(low, high, scaling).at(0.5)) == pytest.approx(middle, rel=1e-6)


@pytest.mark.parametrize("scaling", ["Linear", "Logarithmic", "ReverseLogarithmic"])
def test_a_value_is_read_as_it_was_written_and_stays_inside(scaling: str) -> None:
    one = numbers("0.01", "0.9", scaling)
    for share in (0.0, 0.1, 0.5, 0.999999, 1.0):
        text = one.at(share)
        assert 0.01 - 1e-12 <= float(text) <= 0.9 + 1e-12
        coordinate = one.read(text)
        assert coordinate is not None
        assert float(one.write(coordinate)) == pytest.approx(float(text))


@pytest.mark.parametrize("scaling", ["Linear", "Logarithmic"])
def test_every_integer_can_be_drawn_and_no_other(scaling: str) -> None:
    one = numbers("1", "4", scaling, "integer")
    drawn = {one.at(Random(seed).random()) for seed in range(300)}
    assert drawn == {"1", "2", "3", "4"}
    assert one.size == 4


def test_integers_of_a_linear_scale_are_equally_likely() -> None:
    one = numbers("0", "3", "Linear", "integer")
    counts = [sum(one.at((place + 0.5) / 4000) == str(value) for place in range(4000)) for value in range(4)]
    assert counts == [1000] * 4


@pytest.mark.parametrize("text", ["nan", "inf", "x", "", "1.1"])
def test_what_is_not_of_the_range_has_no_coordinate(text: str) -> None:
    assert numbers("0", "1", "Linear").read(text) is None


def space() -> Space:
    document: dict[str, Any] = {
        "CategoricalParameterRanges": [{"Name": "b", "Values": ["1", "2"]}, {"Name": "a", "Values": ["x", "y", "z"]}],
        "IntegerParameterRanges": [{"Name": "c", "MinValue": "1", "MaxValue": "5"}],
    }
    return Space.of(document)


def test_a_space_is_ordered_by_name_and_knows_its_size() -> None:
    assert [item.name for item in space().ranges] == ["a", "b", "c"]
    assert space().size == 30
    assert math.isinf(Space((*space().ranges, numbers("0", "1", "Linear"))).size)


def test_every_combination_of_a_grid_comes_once() -> None:
    grid = Space(space().ranges[:2])
    found = [tuple(grid.combination(number).items()) for number in range(6)]
    assert len(set(found)) == 6
    assert found[0] == (("a", "x"), ("b", "1"))


def test_coordinates_there_and_back() -> None:
    values = {"a": "y", "b": "2", "c": "4"}
    coordinates = space().read(values)
    assert coordinates == ["y", "2", 4.0]
    assert space().write(coordinates) == values
    assert space().read({"a": "y", "b": "2"}) is None


def test_the_first_trials_try_every_part_of_every_range() -> None:
    one = Space((numbers("0", "1", "Linear"),))
    found = sorted(int(spread(one, 3, "", place)[0] * STARTUP) for place in range(STARTUP))
    assert found == list(range(STARTUP))


@pytest.mark.parametrize(
    ("hint", "member", "low", "high"),
    [
        ("0.1", "ContinuousParameterRanges", 0.01, 0.55),
        ("5.0", "ContinuousParameterRanges", 0.5, 50.0),
        ("-2.0", "ContinuousParameterRanges", -20.0, -0.2),
        ("8", "IntegerParameterRanges", 2, 32),
        ("1e-3", "ContinuousParameterRanges", 1e-4, 1e-2),
        ("gbtree", None, 0, 0),
        ("0", None, 0, 0),
        ("nan", None, 0, 0),
    ],
)
def test_autotune_around_an_example(hint: str, member: str | None, low: float, high: float) -> None:
    """API AutoParameter: only what is eligible gets a range."""
    definition = {"AlgorithmSpecification": {"TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1"}}
    ranges, static = autotune.completed({"AutoParameters": [{"Name": "p", "ValueHint": hint}]}, definition)
    if member is None:
        assert static == {"p": hint}
        return
    (item,) = ranges[member]
    assert (float(item["MinValue"]), float(item["MaxValue"])) == pytest.approx((low, high))


def test_autotune_of_a_built_in_algorithm_takes_the_recommended_range() -> None:
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"
    hints = [{"Name": "eta", "ValueHint": "0.3"}, {"Name": "objective", "ValueHint": "reg:linear"}]
    ranges, static = autotune.completed({"AutoParameters": hints}, {"AlgorithmSpecification": {"TrainingImage": image}})
    assert ranges["ContinuousParameterRanges"][0] == {
        "Name": "eta",
        "MinValue": "0.1",
        "MaxValue": "0.5",
        "ScalingType": "Auto",
    }
    assert static == {"objective": "reg:linear"}
