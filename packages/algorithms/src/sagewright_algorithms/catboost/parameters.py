"""Hyperparameters as CatBoost's parameters, by task."""

from __future__ import annotations

from typing import Any

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.threads import threads_for

_AUTO = "auto"
_WHOLE = ("iterations", "depth", "l2_leaf_reg", "random_seed")
_NUMBERS = ("learning_rate", "random_strength", "rsm", "bagging_temperature")
_LEAVES = {"max_leaves": ("Lossguide",), "min_data_in_leaf": ("Lossguide", "Depthwise")}


def of(wanted: Hyperparameters, classes: int, values: int) -> dict[str, Any]:
    """``classes``: 0 for regression; ``values``: of the training table, which decide the threads unless told. Raises ClientError."""
    parameters: dict[str, Any] = {name: wanted.integer(name) for name in _WHOLE}
    parameters |= {name: wanted.number(name) for name in _NUMBERS}
    policy = wanted.text("grow_policy")
    parameters |= {"grow_policy": policy, "sampling_frequency": wanted.text("sampling_frequency")}
    parameters |= {name: wanted.integer(name) for name, policies in _LEAVES.items() if policy in policies}
    parameters |= {name: value for name in ("boosting_type", "max_bin") if (value := _chosen(wanted, name)) is not None}
    parameters |= {"eval_metric": _metric(wanted, classes), "thread_count": _threads(wanted, values)}
    if wanted.number("scale_pos_weight") != 1:
        parameters["scale_pos_weight"] = wanted.number("scale_pos_weight")
    # The bagging temperature is that of the Bayesian bootstrap, which is not the library's choice for every task.
    return parameters | {"bootstrap_type": "Bayesian", "verbose": wanted.integer("verbose"), "allow_writing_files": False}


def _chosen(wanted: Hyperparameters, name: str) -> Any:
    """None for "Auto", which leaves the choice to the library."""
    text = wanted.text(name)
    if text.lower() == _AUTO:
        return None
    return int(float(text)) if name == "max_bin" else text


def _metric(wanted: Hyperparameters, classes: int) -> str:
    name = wanted.text("eval_metric")
    if name.lower() != _AUTO:
        return name
    return "RMSE" if classes == 0 else "AUC" if classes == 2 else "MultiClass"


def _threads(wanted: Hyperparameters, values: int) -> int:
    count = wanted.integer("thread_count")
    if count == 0:
        raise ClientError("thread_count must be -1 or a positive number, not 0")
    return count if count > 0 else threads_for(values)
