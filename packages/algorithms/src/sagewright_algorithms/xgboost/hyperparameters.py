"""Hyperparameters as the user sent them (strings), checked with AWS's messages, as parameters of libxgboost.

Ranges and names are in manifest.json. What depends on several parameters is here.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from sagewright_algorithms.manifest import Hyperparameter, load
from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.metric_names import check_metric, union
from sagewright_algorithms.xgboost.version import NEWEST, Version

_OF_THE_CONTAINER = {
    "num_round",
    "csv_weights",
    "early_stopping_rounds",
    "eval_metric",
    "save_model_on_termination",
    "silent",
    "use_dask_gpu_training",
    "_kfold",
    "_num_cv_round",
    "_tuning_objective_metric",
}
_CONSTRAINED_METHODS = (("monotone_constraints", ("exact", "hist")), ("interaction_constraints", ("exact", "hist", "approx")))
_RENAMED_OBJECTIVES = {"reg:linear": "reg:squarederror"}
_TREE_GROWERS = ("grow_colmaker", "distcol", "grow_histmaker", "grow_skmaker")
_LINEAR_UPDATERS = ("shotgun", "coord_descent")
_REFRESHING_UPDATERS = ("refresh", "prune")


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """``library`` goes to libxgboost as it is; the rest steers the container.

    ``metrics``: in order, the tuning objective's last unless it was listed. ``early_stopping_metric`` is None when there is
    nothing to stop on.
    """

    library: Mapping[str, str]
    num_round: int
    objective: str
    metrics: tuple[str, ...]
    early_stopping_rounds: int | None
    early_stopping_metric: str | None
    csv_weights: bool
    save_model_on_termination: bool
    kfold: int | None
    num_cv_round: int
    seed: int
    version: Version = NEWEST


def parse(given: Mapping[str, str], version: Version = NEWEST) -> Hyperparameters:
    """For the container of a version. Raises UserError with the text of AWS's container."""
    sent = _canonical(given, version)
    for name, value in sent.items():
        _check_value(_known(name), value)
    for name in (item.name for item in load("xgboost").hyperparameters if item.required):
        if name not in sent:
            raise UserError(f"Missing required hyperparameter: {name}")
    _check_dependencies(sent)
    if not version.knows_objective(sent.get("objective", "")):
        choices = [item for item in _known("objective").choices if version.knows_objective(item)]
        raise UserError(f"Hyperparameter objective: {sent['objective']} is not in {choices}")
    objective = _RENAMED_OBJECTIVES.get(sent.get("objective", ""), sent.get("objective", "reg:squarederror"))
    listed = _listed(sent.get("eval_metric", ""))
    tuned = _tuned(sent.get("_tuning_objective_metric", ""))
    for metric in listed:
        check_metric(metric, sent.get("objective"))
    return Hyperparameters(
        library=version.parameters(objective)
        | {name: value for name, value in sent.items() if name not in _OF_THE_CONTAINER}
        | {"objective": objective},
        num_round=int(sent["num_round"]),
        objective=objective,
        metrics=tuple(union(listed, tuned)),
        early_stopping_rounds=int(sent["early_stopping_rounds"]) if "early_stopping_rounds" in sent else None,
        early_stopping_metric=next(reversed(listed or tuned), None),
        csv_weights=sent.get("csv_weights") == "1",
        save_model_on_termination=sent.get("save_model_on_termination") == "true",
        kfold=int(sent["_kfold"]) if "_kfold" in sent else None,
        num_cv_round=int(sent.get("_num_cv_round", "1")),
        seed=int(sent.get("seed", "0")),
        version=version,
    )


def _canonical(given: Mapping[str, str], version: Version) -> dict[str, str]:
    """Aliases become the names of the documentation. Both at once is one too many."""
    sent: dict[str, str] = {}
    for name, value in given.items():
        if not version.knows(name):
            raise UserError(f"Extraneous hyperparameter found: {name}")
        canonical = _known(name).name
        if canonical in sent:
            raise UserError(f"Extraneous hyperparameter found: {name}")
        sent[canonical] = str(value).strip()
    return sent


def _known(name: str) -> Hyperparameter:
    known = load("xgboost").hyperparameter(name)
    if known is None:
        raise UserError(f"Extraneous hyperparameter found: {name}")
    return known


def _check_value(known: Hyperparameter, value: str) -> None:
    if known.type in ("int", "float"):
        number = _number(known, value)
        if number != number or not known.contains(number):
            raise UserError(f"Hyperparameter {known.name}: {number} is not in {known.interval()}")
    elif known.type == "enum" and value not in known.choices:
        raise UserError(f"Hyperparameter {known.name}: {value} is not in {list(known.choices)}")
    elif known.type == "list" and known.choices:
        unknown = [item for item in _listed(value) if item not in known.choices]
        if unknown or not _listed(value):
            raise UserError(f"Hyperparameter {known.name}: {_listed(value)} is not in {list(known.choices)}")
    elif known.type in ("tuple", "nested_list"):
        _check_structure(known, value)


def _number(known: Hyperparameter, value: str) -> float:
    try:
        return int(value) if known.type == "int" else float(value)
    except ValueError as error:
        raise UserError(f"Hyperparameter {known.name}: could not parse value (caused by ValueError)") from error


def _check_structure(known: Hyperparameter, value: str) -> None:
    """``(1,-1)`` for a tuple, ``[[0,1],[2,3]]`` for a nested list. The text itself goes to the library."""
    try:
        parsed = ast.literal_eval(value)
    except (ValueError, SyntaxError) as error:
        raise UserError(f"Hyperparameter {known.name}: could not parse value (caused by {type(error).__name__})") from error
    if known.type == "tuple":
        valid = isinstance(parsed, tuple) and all(str(item) in known.choices for item in parsed)
    else:
        valid = isinstance(parsed, list) and all(isinstance(group, list) and _are_indices(group) for group in parsed)
    if not valid:
        wanted = list(known.choices) if known.choices else "[1, +infinity)"
        raise UserError(f"Hyperparameter {known.name}: {value} is not in {wanted}")


def _are_indices(group: list[object]) -> bool:
    return all(isinstance(item, int) and item >= 0 for item in group)


def _check_dependencies(sent: Mapping[str, str]) -> None:
    multi = sent.get("objective", "").startswith("multi:")
    if multi and "num_class" not in sent:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if not multi and "num_class" in sent:
        raise UserError("Do not need to setup parameter 'num_class' for learning task other than multi-classification.")
    method = sent.get("tree_method")
    for name, methods in _CONSTRAINED_METHODS:
        if name in sent and method is not None and method not in methods:
            listed = ", ".join(f"'{item}'" for item in methods[:-1]) + f" or '{methods[-1]}'"
            raise UserError(f"{name} can be used only when the tree_method parameter is set to either {listed}.")
    _check_updaters(sent)


def _check_updaters(sent: Mapping[str, str]) -> None:
    updaters = _listed(sent.get("updater", ""))
    if not updaters:
        return
    if sent.get("process_type") == "update":
        if not all(item in _REFRESHING_UPDATERS for item in updaters):
            raise UserError("process_type 'update' can only be used with updater 'refresh' and 'prune'")
    elif sent.get("booster") == "gblinear":
        if len(updaters) != 1 or updaters[0] not in _LINEAR_UPDATERS:
            raise UserError("Linear updater should be one of these options: 'shotgun', 'coord_descent'.")
    elif sum(item in _TREE_GROWERS for item in updaters) > 1:
        choices = ", ".join(f"'{item}'" for item in _TREE_GROWERS)
        raise UserError(f"Only one tree grow plugin can be selected. Choose one from the following: {choices}")
    elif any(item in _LINEAR_UPDATERS for item in updaters):
        raise UserError("Tree updater should not be one of these options: 'shotgun', 'coord_descent'.")


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.strip("[]").replace("'", "").replace('"', "").split(",") if item.strip()]


def _tuned(text: str) -> list[str]:
    """``validation:auc`` is the metric auc."""
    return [text.rpartition(":")[2]] if text else []
