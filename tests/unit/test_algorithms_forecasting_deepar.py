"""DeepAR's parts without torch: time, records, files, windows, requests (H18)."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.requests import JSON, JSON_LINES, UnreadablePayloadError
from sagewright_algorithms.forecasting_deepar import request, series_files
from sagewright_algorithms.forecasting_deepar.design import Design
from sagewright_algorithms.forecasting_deepar.frequency import Frequency
from sagewright_algorithms.forecasting_deepar.request import Configuration
from sagewright_algorithms.forecasting_deepar.series import MalformedSeriesError, Series
from sagewright_algorithms.forecasting_deepar.settings import Settings
from sagewright_algorithms.forecasting_deepar.windows import Panel
from sagewright_algorithms.manifest import load

NAN = float("nan")


def design(**more: Any) -> Design:
    given: dict[str, Any] = {
        "time_freq": "D",
        "context_length": 3,
        "prediction_length": 2,
        "likelihood": "gaussian",
        "num_layers": 1,
        "num_cells": 4,
        "embedding_dimension": 2,
        "lags": (1, 2),
        "cardinality": (),
        "ignores_cat": False,
        "ignores_dynamic_feat": False,
        "feature_mean": (),
        "feature_deviation": (),
        "scale": 10.0,
        "log_scale_deviation": 2.0,
    }
    return Design(**{**given, **more})


def series(*target: float, start: str = "2024-01-01", **more: Any) -> Series:
    return Series.of_record({"start": start, "target": list(target), **more})


@pytest.mark.parametrize(
    ("frequency", "moment", "features", "last"),
    [
        ("min", datetime(2024, 2, 29, 13, 7), (7, 13, 3, 28, 59), (59, 23, 6, 30, 365)),
        ("min", datetime(1965, 12, 31, 23, 59), (59, 23, 4, 30, 364), (59, 23, 6, 30, 365)),
        ("6H", datetime(2024, 3, 3, 18), (18, 6, 2, 62), (23, 6, 30, 365)),
        ("D", datetime(2023, 12, 31), (6, 30, 364), (6, 30, 365)),
        ("W", datetime(2021, 1, 3), (2, 52), (30, 52)),
        ("W", datetime(2021, 1, 4), (3, 0), (30, 52)),
        ("M", datetime(2024, 12, 31), (11,), (11,)),
    ],
)
def test_features_of_a_time(frequency: str, moment: datetime, features: tuple[int, ...], last: tuple[int, ...]) -> None:
    """DG deepar_how-it-works, the table of derived features; each from -0.5 to 0.5."""
    found = Frequency.parse(frequency)
    assert found.features == len(features)
    described = found.describe(np.array([found.time(moment)]))
    assert described[0] == pytest.approx(np.array(features) / last - 0.5, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "step"), [("min", 1), ("15min", 15), ("H", 1), ("2H", 2), ("D", 1), ("W", 7), ("2W", 14), ("3M", 3)]
)
def test_steps(text: str, step: int) -> None:
    assert Frequency.parse(text).step == step


@pytest.mark.parametrize("text", ["", "0H", "h", "1.5H", "S", "H ", "Hmin", "-1D"])
def test_what_is_no_frequency(text: str) -> None:
    with pytest.raises(ValueError, match="does not match"):
        Frequency.parse(text)


def test_lags_are_the_last_steps_and_seasons_ago() -> None:
    """DG deepar_hyperparameters: for days the weeks 1 to 4 and the year, for hours the same time of the days before."""
    days = Frequency.parse("D").lags(1000)
    assert {1, 7, 14, 21, 28, 365} <= set(days)
    assert {1, 24, 48, 72, 168} <= set(Frequency.parse("H").lags(1000))
    assert {12, 24} <= set(Frequency.parse("2H").lags(1000))
    assert Frequency.parse("D").lags(10) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert Frequency.parse("M").lags(0) == [1]
    assert days == sorted(set(days))


def test_a_record_with_everything() -> None:
    found = Series.of_record(
        {
            "start": "2009-11-01 12:30:00",
            "target": [1, "NaN", None, 2.5],
            "cat": [0, 3],
            "dynamic_feat": [[1, 2, 3, 4.5]],
            "x": 1,
        }
    )
    assert found.start == datetime(2009, 11, 1, 12, 30)
    assert found.target.tolist() == pytest.approx([1, NAN, NAN, 2.5], nan_ok=True)
    assert found.categories == (0, 3)
    assert found.features is not None
    assert found.features.tolist() == [[1, 2, 3, 4.5]]
    assert series(1.0, cat=2).categories == (2,)
    assert series(1.0, dynamic_feat=[]).features is None


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ([1], "not an object"),
        ({"target": [1]}, "the field start is missing"),
        ({"start": "2024-01-01"}, "the field target is missing"),
        ({"start": 5, "target": [1]}, "YYYY-MM-DD HH:MM:SS"),
        ({"start": "2024-01-01T00:00:00Z", "target": [1]}, "time zone"),
        ({"start": "2024-01-01", "target": 1}, "target is not an array"),
        ({"start": "2024-01-01", "target": [[1]]}, "neither a number"),
        ({"start": "2024-01-01", "target": [True]}, "neither a number"),
        ({"start": "2024-01-01", "target": [1e300]}, "finite"),
        ({"start": "2024-01-01", "target": [1], "cat": ["a"]}, "cat is not an array"),
        ({"start": "2024-01-01", "target": [1], "cat": [1.5]}, "cat is not an array"),
        ({"start": "2024-01-01", "target": [1], "dynamic_feat": [1]}, "array of arrays"),
        ({"start": "2024-01-01", "target": [1], "dynamic_feat": [[1], [1, 2]]}, "differ in length"),
        ({"start": "2024-01-01", "target": [1], "dynamic_feat": [[None]]}, "missing values are not supported"),
        ({"start": "2024-01-01", "target": [1], "dynamic_feat": [[1e39]]}, "finite"),
    ],
)
def test_what_is_no_time_series(record: Any, words: str) -> None:
    with pytest.raises(MalformedSeriesError, match=words):
        Series.of_record(record)


def lines(*targets: list[Any]) -> bytes:
    return b"".join(json.dumps({"start": "2024-01-01", "target": target}).encode() + b"\n" for target in targets)


def test_files_of_a_channel(tmp_path: Path) -> None:
    """DG deepar: subfolders, gzip and Parquet; files that start with a period and _SUCCESS are left out; NaN as Python writes it."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.json").write_bytes(lines([1.0, NAN]))
    (tmp_path / "deep" / "b.json.gz").write_bytes(gzip.compress(lines([2], [3])))
    (tmp_path / ".hidden.json").write_bytes(b"nonsense")
    (tmp_path / "_SUCCESS").write_bytes(b"")
    table = pyarrow.table(
        {
            "start": pyarrow.array([datetime(2024, 1, 1), datetime(2024, 1, 2)], pyarrow.timestamp("ns")),
            "target": [[4.0, None], [5.0]],
            "cat": [[1], [2]],
            "dynamic_feat": [[[0.5, 1.5]], [[2.5]]],
            "other": ["x", "y"],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "deep" / "c.parquet", compression="snappy")
    found, first = series_files.read(tmp_path, {})
    assert first == tmp_path / "a.json"
    assert [item.target[0] for item in found] == [1, 2, 3, 4, 5]
    assert np.isnan(found[0].target[1])
    assert np.isnan(found[3].target[1])
    assert [(item.start.day, item.categories) for item in found[3:]] == [(1, (1,)), (2, (2,))]
    assert found[3].features is not None
    assert found[3].features.tolist() == [[0.5, 1.5]]


@pytest.mark.parametrize(
    ("name", "content", "content_type", "words"),
    [
        ("a.json", lines([1], ["x"]), None, r"Error when parsing json \(source: .*a.json, row: 2\): target has a value"),
        ("a.json", b"{", None, r"Error when parsing json \(source: .*a.json, row: 1\)"),
        ("a.json.gz", gzip.compress(lines([1]), mtime=0)[:20], None, "Error when parsing json"),
        ("a.parquet", b"PAR1", None, r"Error when parsing parquet \(source"),
        ("a.csv", b"1", None, "The format of .*a.csv is not known"),
        ("a", b"1", "text/csv", "The format of .*a is not known"),
        ("a.json", b"\n", None, "No training data processed"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, content_type: str | None, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClientError, match=words):
        series_files.read(tmp_path, {"ContentType": content_type} if content_type else {})


@pytest.mark.parametrize("content_type", ["json", "application/jsonlines", "application/jsonlines; charset=utf-8"])
def test_a_content_type_stands_in_for_a_name(tmp_path: Path, content_type: str) -> None:
    (tmp_path / "data").write_bytes(lines([1]))
    assert len(series_files.read(tmp_path, {"ContentType": content_type})[0]) == 1


def test_a_window_has_lags_scale_and_what_stands_in_for_missing_values() -> None:
    """Scaled by the mean magnitude of the context; 0 before the first step, the context's mean for a missing value."""
    panel = Panel(design(), [series(9, 9), series(2, NAN, 4, 6, 8)])
    found = panel.windows(np.array([1]), np.array([3]))
    assert found.scale.tolist() == [3]
    assert found.target[:, 0].tolist() == [2, 0, 4, 6, 8]
    assert found.observed[:, 0].tolist() == [1, 0, 1, 1, 1]
    expected = [[0, 0], [2, 0], [3, 2], [4, 3], [6, 4]]
    assert found.lags[:, 0] == pytest.approx(np.array(expected) / 3)
    assert found.log_scale[0, 0] == pytest.approx(np.log(0.3) / 2)
    assert found.features.shape == (5, 1, 3)
    assert (found.features[:, 0, 1] + 0.5) * 30 == pytest.approx([0, 1, 2, 3, 4], abs=1e-5)


@pytest.mark.parametrize(
    ("target", "cut", "scale"), [((8, 0, 0, 0, 1, 1), 4, 2.0), ((0, 0, 0, 0, 1, 1), 4, 10.0), ((5, 6), 0, 10.0)]
)
def test_the_scale_of_an_empty_context(target: tuple[float, ...], cut: int, scale: float) -> None:
    """That of the whole past, and without one that of the training data."""
    found = Panel(design(), [series(*target)]).windows(np.array([0]), np.array([cut]))
    assert found.scale.tolist() == [scale]


def test_features_and_categories_of_a_window() -> None:
    """The user's features are standardised, and 0 before the first step."""
    given = [series(1, 2, 3, cat=[0], dynamic_feat=[[10, 20, 30]]), series(1, 2, cat=[1], dynamic_feat=[[40, 50]])]
    model = design(cardinality=(2,), feature_mean=(10.0,), feature_deviation=(5.0,))
    assert model.input_width == 2 + 3 + 1 + 1 + 2
    found = Panel(model, given).windows(np.array([1, 0]), np.array([0, 1]))
    assert found.features[:, 0, 3].tolist() == [0, 0, 0, 6, 8]
    assert found.features[:, 1, 3].tolist() == [0, 0, 0, 2, 4]
    assert found.categories.tolist() == [[1], [0]]


def test_hyperparameters_as_numbers() -> None:
    required = {"time_freq": "2H", "context_length": "4", "prediction_length": "3", "epochs": "2"}
    found = Settings.of(Hyperparameters(load("forecasting-deepar"), required))
    assert (found.likelihood, found.cardinality, found.num_dynamic_feat, found.patience) == ("student-t", "auto", "auto", None)
    assert found.quantiles == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    more = {"cardinality": "[2, 3]", "num_dynamic_feat": "1", "early_stopping_patience": "5", "likelihood": "student-T"}
    found = Settings.of(Hyperparameters(load("forecasting-deepar"), required | more))
    assert (found.likelihood, found.cardinality, found.num_dynamic_feat, found.patience) == ("student-t", (2, 3), 1, 5)
    for nothing in ("", "ignore"):
        given = required | {"cardinality": nothing, "num_dynamic_feat": nothing, "early_stopping_patience": ""}
        found = Settings.of(Hyperparameters(load("forecasting-deepar"), given))
        assert (found.cardinality, found.num_dynamic_feat, found.patience) == ("ignore", "ignore", None)


def test_a_design_survives_its_file() -> None:
    kept = design(cardinality=(2, 3), feature_mean=(1.0,), feature_deviation=(2.0,))
    assert Design.of_document(json.loads(json.dumps(kept.document()))) == kept
    for damaged in (
        {},
        [],
        {**kept.document(), "lags": [0]},
        {**kept.document(), "time_freq": "x"},
        {**kept.document(), "more": 1},
    ):
        with pytest.raises(ValueError, match="model"):
            Design.of_document(damaged)


RECORD = {"start": "2024-01-01", "target": [1, 2]}


def test_requests_for_forecasts() -> None:
    """DG deepar-in-formats: JSON has its own configuration; JSON Lines, also without a content type, the default."""
    default = Configuration(num_samples=7)
    body = json.dumps({"instances": [RECORD, RECORD], "configuration": {"quantiles": ["0.50", 0.9], "output_types": ["mean"]}})
    found = request.read(body.encode(), JSON, design(), default)
    assert len(found) == 2
    assert not found.lines
    assert found.configuration == Configuration(7, ("mean",), ("0.50", "0.9"))
    assert found.configuration.levels == [0.5, 0.9]
    assert found.series[0].target.tolist() == pytest.approx([1, 2, NAN, NAN], nan_ok=True)
    lined = json.dumps(RECORD).encode()
    for payload, content_type in ((lined + b"\n" + lined, JSON_LINES), (lined + b"\n" + lined, ""), (lined, ""), (lined, JSON)):
        found = request.read(payload, content_type, design(), default)
        assert found.lines
        assert len(found) == payload.count(b"{")
        assert found.configuration == default
    assert not request.read(body.encode(), "", design(), default).lines


@pytest.mark.parametrize(
    ("record", "model", "words"),
    [
        ({**RECORD, "cat": [0]}, {}, "cat is given, but the model was trained without categories"),
        ({**RECORD, "dynamic_feat": [[1] * 4]}, {}, "dynamic_feat is given, but the model was trained without"),
        (RECORD, {"cardinality": (2,)}, "the field cat must have 1 categories"),
        ({**RECORD, "cat": [2]}, {"cardinality": (2,)}, r"cat\[0\] is 2, but the cardinality"),
        (RECORD, {"feature_mean": (0.0,), "feature_deviation": (1.0,)}, "dynamic_feat must have 1 arrays"),
        (
            {**RECORD, "dynamic_feat": [[1, 2]]},
            {"feature_mean": (0.0,), "feature_deviation": (1.0,)},
            "2 values, not 4: the length of target plus prediction_length",
        ),
    ],
)
def test_instances_that_do_not_fit_the_model(record: Any, model: dict[str, Any], words: str) -> None:
    with pytest.raises(UnreadablePayloadError, match=f"instance 0: .*{words}"):
        request.read(json.dumps({"instances": [record]}).encode(), JSON, design(**model), Configuration())


def test_fields_that_the_model_was_told_to_ignore() -> None:
    record = {**RECORD, "cat": [5], "dynamic_feat": [[1]]}
    model = design(ignores_cat=True, ignores_dynamic_feat=True)
    assert len(request.read(json.dumps({"instances": [record]}).encode(), JSON, model, Configuration())) == 1
