"""XGBoost hyperparameters: AWS's messages for what a user can get wrong (H04; algorithms.md 6.2, validation errors)."""

from __future__ import annotations

import pytest

from sagewright_algorithms.manifest import load
from sagewright_algorithms.xgboost.errors import UserError
from sagewright_algorithms.xgboost.hyperparameters import parse


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_round": None}, "Missing required hyperparameter: num_round"),
        ({"foo": "1"}, "Extraneous hyperparameter found: foo"),
        ({"num_round": "ten"}, "Hyperparameter num_round: could not parse value (caused by ValueError)"),
        ({"num_round": "1.5"}, "Hyperparameter num_round: could not parse value (caused by ValueError)"),
        ({"num_round": "0"}, "Hyperparameter num_round: 0 is not in [1, +infinity)"),
        ({"eta": "1.5"}, "Hyperparameter eta: 1.5 is not in [0, 1]"),
        ({"eta": "nan"}, "Hyperparameter eta: nan is not in [0, 1]"),
        ({"subsample": "0"}, "Hyperparameter subsample: 0.0 is not in (0, 1]"),
        ({"max_depth": "-1"}, "Hyperparameter max_depth: -1 is not in [0, +infinity)"),
        ({"booster": "gbforest"}, "Hyperparameter booster: gbforest is not in ['gbtree', 'gblinear', 'dart']"),
        ({"csv_weights": "2"}, "Hyperparameter csv_weights: 2 is not in [0, 1]"),
        ({"learning_rate": "0.1", "eta": "0.1"}, "Extraneous hyperparameter found: eta"),
        ({"objective": "multi:softmax"}, "Require input for parameter 'num_class' for multi-classification"),
        ({"num_class": "3"}, "Do not need to setup parameter 'num_class' for learning task other than multi-classification."),
        ({"eval_metric": "nonsense"}, "Metric 'nonsense' is not supported."),
        ({"eval_metric": "rmse@3"}, "Metric 'rmse@3' is not supported."),
        ({"eval_metric": "auc", "objective": "reg:squarederror"}, "Metric 'auc' can only be applied for classification"),
        ({"eval_metric": "aft-nloglik"}, "Metric 'aft-nloglik' can only be applied with 'survival:aft' objective."),
        ({"monotone_constraints": "(1,-1)", "tree_method": "approx"}, "monotone_constraints can be used only when"),
        ({"monotone_constraints": "(1,5)"}, "Hyperparameter monotone_constraints: (1,5) is not in ['-1', '0', '1']"),
        ({"monotone_constraints": "(1,"}, "Hyperparameter monotone_constraints: could not parse value (caused by SyntaxError)"),
        ({"interaction_constraints": "[1,2]"}, "Hyperparameter interaction_constraints: [1,2] is not in"),
        ({"updater": "grow_colmaker,grow_histmaker"}, "Only one tree grow plugin can be selected."),
        ({"updater": "prune,nothing"}, "Hyperparameter updater: ['prune', 'nothing'] is not in"),
        ({"updater": "shotgun,coord_descent", "booster": "gblinear"}, "Linear updater should be one of these options"),
        ({"updater": "grow_colmaker", "process_type": "update"}, "process_type 'update' can only be used with updater"),
    ],
)
def test_what_is_wrong_has_the_containers_message(given: dict[str, str | None], message: str) -> None:
    sent = {name: value for name, value in ({"num_round": "5"} | given).items() if value is not None}
    with pytest.raises(UserError) as raised:
        parse(sent)
    assert str(raised.value).startswith(message)


def test_every_parameter_of_the_library_passes_through() -> None:
    """H04: subsample, eta, gamma, alpha, lambda, scale_pos_weight, max_depth, …"""
    sent = {
        "subsample": "0.5",
        "eta": "0.2",
        "gamma": "4",
        "alpha": "1",
        "lambda": "2",
        "scale_pos_weight": "3",
        "max_depth": "5",
    }
    library = dict(parse({"num_round": "5", "objective": "binary:logistic", **sent}).library)
    assert library == {**sent, "objective": "binary:logistic"}


def test_defaults_and_names_of_old() -> None:
    found = parse({"num_round": "5", "objective": "reg:linear", "learning_rate": "0.1"})
    assert (found.objective, found.library["objective"], found.library["eta"]) == (
        "reg:squarederror",
        "reg:squarederror",
        "0.1",
    )
    assert (found.metrics, found.early_stopping_metric, found.csv_weights, found.kfold) == ((), None, False, None)


@pytest.mark.parametrize(
    ("listed", "tuned", "metrics", "stops_on"),
    [
        ("auc,error", "", ("auc", "error"), "error"),
        ("auc, error", "validation:auc", ("auc", "error"), "error"),
        ("error", "validation:auc", ("error", "auc"), "error"),
        ("", "validation:logloss", ("logloss",), "logloss"),
        ("['auc', 'error@0.7']", "", ("auc", "error@0.7"), "error@0.7"),
    ],
)
def test_metrics_of_the_user_and_of_the_tuning_job(listed: str, tuned: str, metrics: tuple[str, ...], stops_on: str) -> None:
    given = {"num_round": "5", "objective": "binary:logistic", "eval_metric": listed, "_tuning_objective_metric": tuned}
    found = parse({name: value for name, value in given.items() if value})
    assert (found.metrics, found.early_stopping_metric) == (metrics, stops_on)


def test_each_default_of_the_manifest_is_valid() -> None:
    defaults = {item.name: item.default for item in load("xgboost").hyperparameters if item.default is not None}
    parse({"num_round": "1", **defaults})
