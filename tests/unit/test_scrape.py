"""Metric values in log lines. DG training-metrics: the first group of a match is the value. Feature row N05."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sagewright.signals import scrape
from sagewright.signals.matcher import match
from sagewright.signals.scrape import Scraper, Value
from sagewright.signals.tail import escape


@pytest.fixture
async def scraper() -> AsyncIterator[Scraper]:
    made = Scraper()
    yield made
    await made.close()


def test_the_first_group_is_the_value() -> None:
    lines = ["loss=0.5 acc=0.9", "nothing", "loss=1e-3", "loss=abc", "loss=nan"]
    assert match([("loss", r"loss=(\S+)"), ("acc", r"acc=([0-9.]+)")], lines) == [
        (0, "loss", 0.5),
        (2, "loss", 0.001),
        (0, "acc", 0.9),
    ]


@pytest.mark.parametrize("regex", ["(", "no group", "(x)|loss", "a{99999999999}"])
def test_a_pattern_that_cannot_give_a_value_gives_none(regex: str) -> None:
    assert match([("m", regex)], ["loss"]) == []


async def test_xgboost_lines_match_after_escaping(scraper: Scraper) -> None:
    """algorithms.md 2: CloudWatch shows a tab as #011, and the built-in regexes rely on it."""
    lines = [escape(f"[{number}]\ttrain-auc:0.9{number}\tvalidation-auc:0.8{number}") for number in range(3)]
    definition = {
        "Name": "validation:auc",
        "Regex": r".*\[[0-9]+\].*#011validation-auc:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*",
    }
    found = await scraper.find([definition], lines)
    assert found.values == [Value(number, "validation:auc", float(f"0.8{number}")) for number in range(3)]
    assert found.slow == []


def test_an_escaped_tab_ends_a_value() -> None:
    """AWS's XGBoost patterns take everything that is no white space, and an escaped tab is none."""
    line = escape("[0]\ttrain-auc:1.0\tvalidation-auc:0.5\tvalidation-logloss:0.25")
    assert match([("auc", r".*\[[0-9]+\].*#011validation-auc:(\S+)")], [line]) == [(0, "auc", 0.5)]


async def test_a_pattern_that_never_ends_is_named_and_the_others_still_answer(
    scraper: Scraper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "BATCH_SECONDS", 0.5)
    monkeypatch.setattr(scrape, "PATTERN_SECONDS", 2.0)
    definitions = [{"Name": "bad", "Regex": "(a+)+$"}, {"Name": "good", "Regex": "b=([0-9]+)"}]
    found = await scraper.find(definitions, ["a" * 60 + "!", "b=7"])
    assert found.values == [Value(1, "good", 7.0)]
    assert found.slow == ["bad"]
    assert (await scraper.find(definitions[1:], ["b=8"])).values == [Value(0, "good", 8.0)]


async def test_long_lines_and_odd_characters_pass(scraper: Scraper) -> None:
    lines = ["x" * 100_000 + " b=1", "ünïcode \u2028 b=2", ""]
    found = await scraper.find([{"Name": "b", "Regex": "b=([0-9]+)"}], lines)
    assert found.values == [Value(1, "b", 2.0)]


async def test_nothing_to_do_starts_nothing() -> None:
    assert (await Scraper().find([], ["x"])).values == []
