"""DeepAR on hourly series with a daily cycle, of two kinds that differ in phase."""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np

from support.cases import Case, Channel, Invoke, WrongChannel, WrongHyperparameter

JSON, JSON_LINES = "application/json", "application/jsonlines"
HORIZON = 12
HOURS = 14 * 24


def series(number: int, hours: int = HOURS) -> dict[str, Any]:
    """A level of its own; odd ones have their peak at midnight, even ones at noon. One value is missing."""
    random = np.random.default_rng(number)
    level, kind, time = random.uniform(5, 50), number % 2, np.arange(hours)
    wave = np.cos(2 * np.pi * (time / 24 - 0.5 * kind))
    target: list[Any] = (level * (1 + 0.5 * wave) + random.normal(0, 0.02 * level, hours)).round(3).tolist()
    target[number] = "NaN" if kind else None
    return {
        "start": "2024-03-04 00:00:00",
        "target": target,
        "cat": [kind],
        "dynamic_feat": [(time % 24 >= 12).astype(int).tolist()],
    }


def lines(records: list[dict[str, Any]]) -> bytes:
    """JSON Lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def asked(number: int) -> dict[str, Any]:
    """The series without its last hours, whose features are known."""
    known = series(number)
    return {**known, "target": known["target"][:-HORIZON]}


def train_set() -> list[dict[str, Any]]:
    """Without what the test channel asks for."""
    return [series(number, HOURS - HORIZON) for number in range(12)]


def _train(**more: Any) -> Channel:
    return Channel("json", {"train.json": lines([*train_set(), {**series(1), **more}])})


def case() -> Case:
    """Fifty steps of a small network."""
    records = [asked(0), asked(1)]
    return Case(
        algorithm="forecasting-deepar",
        hyperparameters={
            "time_freq": "H",
            "context_length": "24",
            "prediction_length": str(HORIZON),
            "epochs": "8",
            "mini_batch_size": "32",
            "num_cells": "30",
            "learning_rate": "0.01",
            "test_quantiles": "[0.1, 0.5, 0.9]",
        },
        channels={
            "train": Channel(
                "auto",
                {
                    "part-0.json": lines(train_set()[:6]),
                    "part-1.json.gz": gzip.compress(lines(train_set()[6:])),
                    "_SUCCESS": b"",
                },
            ),
            "test": Channel(JSON_LINES, {"test.json": lines([series(number) for number in range(4)])}),
        },
        requests={JSON: json.dumps({"instances": records}).encode(), JSON_LINES: lines(records)},
        artifact=("model_algo-1", "model_algo-1-0000.params"),
        check=_check,
        metrics=(
            "test:RMSE",
            "test:mean_wQuantileLoss",
            "train:final_loss",
            "train:loss",
            "train:loss:batch",
            "train:progress",
            "train:throughput",
        ),
        wrong_hyperparameters=(
            WrongHyperparameter("time_freq", None, "'time_freq' is a required property"),
            WrongHyperparameter("time_freq", "5 minutes", "'5 minutes' does not match '^([1-9][0-9]*)?(M|W|D|H|min)$'"),
            WrongHyperparameter("likelihood", "cauchy", "'cauchy' is not one of ['gaussian', 'beta', "),
            WrongHyperparameter("cardinality", "[0]", "'[0]' is not valid under any of the given schemas"),
            WrongHyperparameter("cardinality", "[1]", "cat[0] is 1, but the cardinality of this category is 1"),
            WrongHyperparameter("num_dynamic_feat", "2", "the field dynamic_feat must have 2 arrays: num_dynamic_feat is 2"),
            WrongHyperparameter("test_quantiles", "[1.5]", "'[1.5]' is not valid under any of the given schemas"),
            WrongHyperparameter("epochs", "0", "'0' is not valid under any of the given schemas"),
            WrongHyperparameter("prediction_length", "1000", "shorter than prediction_length (1000)"),
            WrongHyperparameter("likelihood", "beta", "the likelihood beta needs target values in [0, 1]"),
        ),
        wrong_channels=(
            WrongChannel(
                "train", Channel("json", {"train.json": b'{"start": \n'}), "ClientError: Error when parsing json (source: "
            ),
            WrongChannel("train", Channel("auto", {"train.txt": b"{}"}), "The format of "),
            WrongChannel("train", Channel("json", {"_SUCCESS": b""}), "No training data processed"),
            WrongChannel("train", _zeros(), "ClientError: training time series consist of only zeros"),
            WrongChannel("train", _train(start="2024-03-04 00:00:00+01:00"), "start can't contain time zone information"),
            WrongChannel("train", _train(start="yesterday"), "start is not of the form YYYY-MM-DD HH:MM:SS: 'yesterday'"),
            WrongChannel("train", _train(target=[1, "two"]), "neither a number nor null nor 'NaN': 'two'"),
            WrongChannel("train", _train(target=None), "the field target is missing"),
            WrongChannel("train", _train(cat=None), "all time series must have the field cat"),
            WrongChannel("train", _train(cat=[-1]), "cat is not an array of integers from 0"),
            WrongChannel("train", _train(dynamic_feat=None), "the field dynamic_feat must have 1 arrays"),
            WrongChannel("train", _train(dynamic_feat=[[1]]), "the arrays of dynamic_feat have 1 values, not 336"),
            WrongChannel("train", _train(dynamic_feat=[["NaN"] * HOURS]), "missing values are not supported in it"),
            WrongChannel("test", Channel("json", {"test.json": lines([{**series(0), "cat": [7]}])}), "cat[0] is 7"),
        ),
        wrong_requests=(
            (JSON, b"{"),
            (JSON, b"[]"),
            (JSON, b'{"instances": []}'),
            (JSON, _request([{**asked(0), "cat": None}])),
            (JSON, _request([{**asked(0), "cat": [2]}])),
            (JSON, _request([{**asked(0), "dynamic_feat": [[1, 2]]}])),
            (JSON, _request([{**asked(0), "target": "1,2,3"}])),
            (JSON, _request([asked(0)], num_samples=0)),
            (JSON, _request([asked(0)], output_types=["median"])),
            (JSON, _request([asked(0)], quantiles=["half"])),
            (JSON_LINES, b'{"target": [1]}\n'),
            (JSON_LINES, b"\n"),
        ),
    )


def _zeros() -> Channel:
    records = [{"start": "2024-03-04", "target": [0] * HOURS} for _ in range(2)]
    return Channel("json", {"train.json": lines(records)})


def _request(instances: list[dict[str, Any]], **configuration: Any) -> bytes:
    return json.dumps({"instances": instances, "configuration": configuration}).encode()


def _check(invoke: Invoke) -> None:
    """The mean follows the wave, whose half height is half the level; a median lies between the outer quantiles."""
    wanted = {"num_samples": 40, "output_types": ["mean", "quantiles", "samples"], "quantiles": ["0.1", "0.5", 0.9]}
    answer = json.loads(invoke(JSON, _request([asked(number) for number in range(4)], **wanted), ""))
    for number, prediction in enumerate(answer["predictions"]):
        assert list(prediction) == ["quantiles", "samples", "mean"]
        truth = np.array(series(number)["target"][-HORIZON:])
        assert np.abs(np.array(prediction["mean"]) - truth).mean() < 0.15 * truth.mean()
        assert np.array(prediction["samples"]).shape == (40, HORIZON)
        assert np.allclose(np.mean(prediction["samples"], axis=0), prediction["mean"])
        low, middle, high = (np.array(prediction["quantiles"][name]) for name in ("0.1", "0.5", "0.9"))
        assert (low <= middle).all()
        assert (middle <= high).all()
    first, second = (json.loads(line) for line in invoke(JSON_LINES, lines([asked(0), asked(1)]), "").splitlines())
    assert list(first) == ["quantiles", "mean"]
    assert list(second["quantiles"]) == [f"0.{tenth}" for tenth in range(1, 10)]
