"""Hyperparameters as AutoGluon's arguments (DG:autogluon-tabular-hyperparameters). What they do is held in tests/e2e/test_autogluon.py."""

from __future__ import annotations

from typing import Any

import pytest

from sagewright_algorithms.autogluon_tabular import parameters
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.manifest import load

MANIFEST = load("autogluon-tabular")
ALWAYS = {"verbosity": 2, "num_cpus": 1, "num_gpus": 0, "excluded_model_types": ["NN_TORCH", "FASTAI"]}


def wanted(**given: str) -> Hyperparameters:
    return Hyperparameters(MANIFEST, given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"presets": "medium_quality"}),
        ({"presets": "best_quality", "auto_stack": "False", "num_bag_folds": "0"}, {"presets": "best_quality"}),
        ({"auto_stack": "True"}, {"presets": "medium_quality", "auto_stack": True}),
        (
            {"num_bag_folds": "5", "num_bag_sets": "2", "num_stack_levels": "1", "save_space": "True"},
            {"presets": "medium_quality", "num_bag_folds": 5, "num_bag_sets": 2, "num_stack_levels": 1, "save_space": True},
        ),
        (
            {"refit_full": "True", "set_best_to_refit_full": "True"},
            {"presets": "medium_quality", "refit_full": True, "set_best_to_refit_full": True},
        ),
    ],
)
def test_defaults_are_left_to_the_preset(given: dict[str, str], expected: dict[str, Any]) -> None:
    assert parameters.of(wanted(**given), 1) == {**ALWAYS, **expected}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"num_stack_levels": "2"}, "needs bagging"),
        ({"set_best_to_refit_full": "True"}, "needs refit_full"),
    ],
)
def test_what_contradicts_is_said(given: dict[str, str], words: str) -> None:
    with pytest.raises(ClientError, match=words):
        parameters.of(wanted(**given), 1)


def test_the_metric_follows_the_task_unless_it_is_named() -> None:
    assert [parameters.metric(wanted(), classes) for classes in (0, 2, 3)] == ["root_mean_squared_error", "roc_auc", "accuracy"]
    assert parameters.metric(wanted(eval_metric="log_loss"), 2) == "log_loss"
    assert [parameters.problem(classes) for classes in (0, 2, 3)] == ["regression", "binary", "multiclass"]


def test_one_fold_is_no_bagging() -> None:
    with pytest.raises(ClientError, match="'1' is not one of"):
        wanted(num_bag_folds="1")
    assert not parameters.bags(wanted())
    assert parameters.bags(wanted(presets="good_quality"))
