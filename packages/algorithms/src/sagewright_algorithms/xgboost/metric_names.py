"""Which evaluation metrics there are, who computes them, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable

from sagewright_algorithms.xgboost.errors import UserError

CUSTOM = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "mse",
    "precision",
    "precision_macro",
    "precision_micro",
    "r2",
    "recall",
    "recall_macro",
    "recall_micro",
)
_OF_THE_LIBRARY = (
    *("rmse", "mae", "logloss", "error", "merror", "mlogloss", "auc", "aucpr", "ndcg", "map", "poisson-nloglik"),
    *("gamma-nloglik", "cox-nloglik", "gamma-deviance", "tweedie-nloglik", "aft-nloglik", "mphe", "mape", "rmsle"),
    "interval-regression-accuracy",
)
TWEEDIE = "tweedie-nloglik"
_WITH_THRESHOLD = ("error", "ndcg", "map")
_MAXIMIZED = {"auc", "aucpr", "ndcg", "map", "interval-regression-accuracy", *CUSTOM} - {"mse"}


def check_metric(metric: str, objective: str | None) -> None:
    """Raises UserError for a metric that does not exist or does not fit the objective."""
    name, threshold, _ = metric.partition("@")
    if threshold and name not in _WITH_THRESHOLD:
        raise UserError(
            f"Metric '{metric}' is not supported. Parameter 'eval_metric' with customized threshold should be one of the "
            f"following options: {', '.join(repr(item + '@t') for item in _WITH_THRESHOLD)}."
        )
    if name not in _OF_THE_LIBRARY and name not in CUSTOM and name.rstrip("-") not in _WITH_THRESHOLD:
        options = ", ".join((*_OF_THE_LIBRARY, *CUSTOM))
        raise UserError(
            f"Metric '{metric}' is not supported. Parameter 'eval_metric' should be one of the following options: {options}."
        )
    if name == "auc" and objective is not None and not objective.startswith(("binary:", "rank:")):
        raise UserError("Metric 'auc' can only be applied for classification and ranking problems.")
    if name == "aft-nloglik" and objective != "survival:aft":
        raise UserError("Metric 'aft-nloglik' can only be applied with 'survival:aft' objective.")


def is_maximized(metric: str) -> bool:
    """Whether a higher value is better."""
    return metric.partition("@")[0] in _MAXIMIZED


def union(*groups: Iterable[str]) -> list[str]:
    """Every metric once, in order of appearance."""
    return list(dict.fromkeys(metric for group in groups for metric in group))
