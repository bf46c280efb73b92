"""Manifests: what the server may rely on (H03, H04)."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from support.ml_root import SOURCES

from sagewright_algorithms import manifest
from sagewright_algorithms.manifest import Hyperparameter


@pytest.fixture
def xgboost() -> manifest.Manifest:
    return manifest.load("xgboost")


def test_xgboost_as_aws_documents_it(xgboost: manifest.Manifest) -> None:
    """H03, H04; DG:xgboost_hyperparameters."""
    assert "sagemaker-xgboost" in xgboost.repositories
    assert [item.name for item in xgboost.hyperparameters if item.required] == ["num_round"]
    names = {item.name for item in xgboost.hyperparameters}
    assert {"subsample", "eta", "gamma", "alpha", "lambda", "eval_metric", "scale_pos_weight", "max_depth"} <= names
    eta = xgboost.hyperparameter("eta")
    assert eta is not None
    assert (eta.default, eta.interval(), eta.tunable) == ("0.3", "[0, 1]", True)
    assert xgboost.hyperparameter("reg_lambda") == xgboost.hyperparameter("lambda")
    train = xgboost.channel("train")
    assert train is not None
    assert train.required
    assert "text/csv" in train.content_types
    assert xgboost.channel("test") is None
    assert {item.name for item in xgboost.tunable} <= names


def test_metrics_match_an_escaped_line_of_the_container(xgboost: manifest.Manifest) -> None:
    """CloudWatch shows a tab as #011 and every regex expects it."""
    line = "[17]#011train-logloss:0.10283#011validation-auc:0.98123#011validation-f1:1.00000"
    by_name = {metric.name: metric for metric in xgboost.metrics}
    found = {name: re.search(by_name[name].regex, line) for name in ("validation:auc", "validation:f1", "train:logloss")}
    assert [match and match.group(1) for match in found.values()] == ["0.98123", "1.00000", "0.10283"]
    assert by_name["validation:auc"].direction == "Maximize"


@pytest.mark.parametrize("name", ["no-such-algorithm", "../xgboost", "", "xgboost.train", "manifest"])
def test_an_algorithm_that_is_not_there(name: str) -> None:
    with pytest.raises(KeyError):
        manifest.load(name)


def test_names_lists_what_can_be_loaded() -> None:
    assert "xgboost" in manifest.names()
    assert all(manifest.load(name).algorithm == name for name in manifest.names())


@pytest.mark.parametrize(
    ("parameter", "inside", "outside", "text"),
    [
        (Hyperparameter("x", "float", False, False, "", min=0, max=1), (0, 0.5, 1), (-0.1, 1.1), "[0, 1]"),
        (Hyperparameter("x", "float", False, False, "", min=0, min_exclusive=True, max=1), (0.1, 1), (0,), "(0, 1]"),
        (Hyperparameter("x", "int", False, False, "", min=1), (1, 10**9), (0,), "[1, +infinity)"),
        (Hyperparameter("x", "int", False, False, "", max=5, max_exclusive=True), (-9, 4), (5,), "(-infinity, 5)"),
    ],
)
def test_ranges(parameter: Hyperparameter, inside: tuple[float, ...], outside: tuple[float, ...], text: str) -> None:
    assert all(parameter.contains(value) for value in inside)
    assert not any(parameter.contains(value) for value in outside)
    assert parameter.interval() == text


def test_reading_a_manifest_needs_the_standard_library_only() -> None:
    """The server imports it."""
    program = (
        f"import sys; sys.path[:0] = {SOURCES!r}\n"
        "from sagewright_algorithms import manifest; manifest.load('xgboost')\n"
        "print([name for name in ('numpy', 'orjson', 'xgboost', 'ctypes') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
