"""Hyperparameters as LightGBM's parameters, by task."""

from __future__ import annotations

from typing import Any

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.threads import threads_for

_WHOLE = ("num_leaves", "bagging_freq", "max_depth", "min_data_in_leaf", "max_bin", "num_threads", "verbosity")
_NUMBERS = (
    "learning_rate",
    "feature_fraction",
    "bagging_fraction",
    "max_delta_step",
    "lambda_l1",
    "lambda_l2",
    "min_gain_to_split",
    "feature_fraction_bynode",
)


def of(wanted: Hyperparameters, classes: int, values: int) -> dict[str, Any]:
    """``classes``: 0 for regression; ``values``: of the training table, which decide the threads unless told. Raises ClientError for hyperparameters that exclude each other."""
    parameters: dict[str, Any] = {name: wanted.integer(name) for name in _WHOLE}
    parameters |= {name: wanted.number(name) for name in _NUMBERS}
    parameters |= {"boosting": wanted.text("boosting"), "tree_learner": wanted.text("tree_learner")}
    parameters |= _objective(wanted, classes)
    if wanted.text("metric") != "auto":
        parameters["metric"] = wanted.text("metric")
    parameters["num_threads"] = parameters["num_threads"] or threads_for(values)
    # Without these two LightGBM times both ways to build histograms and takes the faster one: the model would depend on that.
    return parameters | {"deterministic": True, "force_row_wise": True}


def _objective(wanted: Hyperparameters, classes: int) -> dict[str, Any]:
    if classes == 0:
        return {
            "objective": "regression",
            "metric": "rmse",
            "tweedie_variance_power": wanted.number("tweedie_variance_power"),
        }
    if classes > 2:
        return {"objective": "multiclass", "metric": "multi_logloss", "num_class": classes}
    weight, unbalanced = wanted.number("scale_pos_weight"), wanted.text("is_unbalance") == "True"
    if unbalanced and weight != 1:
        raise ClientError("scale_pos_weight and is_unbalance cannot be used together: choose only one of them")
    return {
        "objective": "binary",
        "metric": "binary_logloss",
        "scale_pos_weight": weight,
        "is_unbalance": unbalanced,
    }
