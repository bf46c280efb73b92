"""Hyperparameters as arguments of AutoGluon. What has its default is left to the preset: passed on, it would overrule it."""

from __future__ import annotations

from typing import Any

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters

_METRICS = {0: "root_mean_squared_error", 2: "roc_auc"}  # by number of classes; accuracy for more
_BAGGED = ("best_quality", "high_quality", "good_quality")  # presets that bag by themselves
_WITHOUT_TORCH = ("NN_TORCH", "FASTAI")


def metric(wanted: Hyperparameters, classes: int) -> str:
    """``classes``: 0 for regression."""
    named = wanted.text("eval_metric")
    return named if named != "auto" else _METRICS.get(classes, "accuracy")


def problem(classes: int) -> str:
    """AutoGluon's name of the task."""
    return {0: "regression", 2: "binary"}.get(classes, "multiclass")


def bags(wanted: Hyperparameters) -> bool:
    """Whether models are trained on folds, so that training rows validate, too."""
    return _is(wanted, "auto_stack") or int(wanted.text("num_bag_folds")) > 0 or wanted.text("presets") in _BAGGED


def of(wanted: Hyperparameters, threads: int) -> dict[str, Any]:
    """Of ``TabularPredictor.fit``. Raises ClientError for hyperparameters that contradict one another."""
    folds, sets, levels = int(wanted.text("num_bag_folds")), wanted.integer("num_bag_sets"), wanted.integer("num_stack_levels")
    if levels and not bags(wanted):
        raise ClientError("num_stack_levels needs bagging: set num_bag_folds to a number from 2 to 10, or auto_stack to True")
    if _is(wanted, "set_best_to_refit_full") and not (_is(wanted, "refit_full") or wanted.text("presets") in _BAGGED):
        raise ClientError("set_best_to_refit_full needs refit_full True")
    flags = ("auto_stack", "refit_full", "set_best_to_refit_full", "save_space")
    counts = {"num_bag_folds": (folds, 0), "num_bag_sets": (sets, 1), "num_stack_levels": (levels, 0)}
    return {
        "presets": wanted.text("presets"),
        **{name: True for name in flags if _is(wanted, name)},
        **{name: value for name, (value, default) in counts.items() if value != default},
        "verbosity": wanted.integer("verbosity"),
        "num_cpus": threads,
        "num_gpus": 0,
        "excluded_model_types": list(_WITHOUT_TORCH),
    }


def _is(wanted: Hyperparameters, name: str) -> bool:
    return wanted.text(name) == "True"
