"""Boosting round by round: evaluation lines, early stopping, and what must happen after each round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sagewright_algorithms.common.cluster import ALONE, Cluster
from sagewright_algorithms.common.threads import threads_for
from sagewright_algorithms.xgboost.booster import Booster, Predictions
from sagewright_algorithms.xgboost.hyperparameters import Hyperparameters
from sagewright_algorithms.xgboost.matrix import Matrix
from sagewright_algorithms.xgboost.metric_names import CUSTOM, TWEEDIE, is_maximized
from sagewright_algorithms.xgboost.metrics import Floats, score

Scores = Mapping[tuple[str, str], float]
"""``{(data name, metric): value}`` of one round."""

AfterRound = Callable[[Booster, int], None]


@dataclass(frozen=True, slots=True)
class Watched:
    """Data that every round is evaluated on: ``train``, ``validation``."""

    matrix: Matrix
    name: str


@dataclass(slots=True)
class EarlyStopping:
    """Stops when the metric on the validation data has not improved for ``patience`` rounds."""

    metric: str
    patience: int
    best: float = field(default=float("nan"))
    best_round: int = -1

    def should_stop(self, round_: int, scores: Scores) -> bool:
        """Takes note of a round's scores."""
        value = _find(scores, self.metric)
        better = value > self.best if is_maximized(self.metric) else value < self.best
        if better or self.best_round < 0:
            self.best, self.best_round = value, round_
        return round_ - self.best_round >= self.patience


@dataclass(frozen=True, slots=True)
class Boosted:
    """The model, reduced to its best round after early stopping, and the scores of the last round."""

    booster: Booster
    scores: Scores


def boost(
    wanted: Hyperparameters,
    watched: Sequence[Watched],
    after_round: AfterRound,
    resumed: tuple[Booster, int] | None = None,
    cluster: Cluster = ALONE,
) -> Boosted:
    """Trains on the first of ``watched``. Prints ``[0]\\ttrain-auc:0.9\\tvalidation-auc:0.8`` per round.

    ``resumed``: the model to go on with and its next round. Raises XgboostError and UserError.
    """
    booster, first = resumed or (Booster([item.matrix for item in watched]), 0)
    _configure(booster, wanted, watched[0].matrix, cluster)
    stopping = _early_stopping(wanted, watched)
    labels = {item.name: cluster.rows(np.asarray(item.matrix.info("label"), np.float64)) for item in watched}
    scores: Scores = {}
    for round_ in range(first, wanted.num_round):
        booster.update(watched[0].matrix, round_)
        scores = _evaluate(booster, round_, watched, labels, wanted, cluster)
        print(evaluation_line(round_, scores), flush=True)
        after_round(booster, round_)
        if stopping is not None and stopping.should_stop(round_, scores):
            break
    if stopping is not None and stopping.best_round >= 0:
        booster = _best(booster, stopping, wanted)
    return Boosted(booster, scores)


def evaluation_line(round_: int, scores: Scores) -> str:
    """The line that metric definitions match, as xgboost prints it."""
    return f"[{round_}]" + "".join(f"\t{name}-{metric}:{value:.5f}" for (name, metric), value in scores.items())


def _find(scores: Scores, metric: str) -> float:
    """A validation score by the name it was asked for: the library prints ``error@0.5`` as error."""
    found = {name: value for (data, name), value in scores.items() if data == "validation"}
    plain = metric.partition("@")[0]
    return found[metric] if metric in found else next(value for name, value in found.items() if name.partition("@")[0] == plain)


def _configure(booster: Booster, wanted: Hyperparameters, matrix: Matrix, cluster: Cluster) -> None:
    booster.set_parameter("validate_parameters", "1")
    booster.set_parameter("nthread", str(threads_for(matrix.values())))  # unless the user says otherwise
    for name, value in wanted.library.items():
        booster.set_parameter(name, value)
    method = wanted.version.tree_method(wanted.library, matrix.values()) if cluster.size == 1 else None
    if method is not None:
        booster.set_parameter("tree_method", method)
    own = [metric for metric in wanted.metrics if metric not in CUSTOM]
    default = wanted.version.metric(wanted.objective)
    for metric in own or ([default] if default else []):
        booster.set_parameter("eval_metric", f"{TWEEDIE}@{_tweedie_power(wanted)}" if metric == TWEEDIE else metric)


def _early_stopping(wanted: Hyperparameters, watched: Sequence[Watched]) -> EarlyStopping | None:
    """Needs a validation channel and a metric that was asked for by name."""
    if wanted.early_stopping_rounds is None or wanted.early_stopping_metric is None or len(watched) < 2:
        return None
    return EarlyStopping(wanted.early_stopping_metric, wanted.early_stopping_rounds)


def _evaluate(
    booster: Booster,
    round_: int,
    watched: Sequence[Watched],
    labels: Mapping[str, Floats],
    wanted: Hyperparameters,
    cluster: Cluster,
) -> Scores:
    """The library's metrics and the container's, grouped by data as xgboost prints them."""
    printed = booster.evaluate(round_, [(item.matrix, item.name) for item in watched])
    tweedie = f"{TWEEDIE}@{float(_tweedie_power(wanted)):g}"
    found = {(name, TWEEDIE if metric == tweedie else metric): value for (name, metric), value in printed.items()}
    custom = [metric for metric in wanted.metrics if metric in CUSTOM]
    scores: dict[tuple[str, str], float] = {}
    for item in watched:
        scores.update({key: value for key, value in found.items() if key[0] == item.name})
        predictions = _everyones(booster.predict(item.matrix), cluster) if custom else None
        for metric in custom:
            if predictions is not None:
                scores[(item.name, metric)] = score(metric, labels[item.name], predictions, wanted.objective)
    return scores


def _everyones(predictions: Predictions, cluster: Cluster) -> Predictions:
    """Those of all hosts, in the order of their labels."""
    if cluster.size == 1:
        return predictions
    return Predictions(cluster.rows(np.array(predictions.values, np.float64)).tolist(), predictions.width)


def _tweedie_power(wanted: Hyperparameters) -> str:
    """The library wants it in the metric's name; AWS's metric names and regexes have it without."""
    return wanted.library.get("tweedie_variance_power", "1.5")


def _best(booster: Booster, stopping: EarlyStopping, wanted: Hyperparameters) -> Booster:
    """Only the best rounds are kept (the container saves the best model); a linear booster has no rounds to cut."""
    rounds = stopping.best_round + 1
    if wanted.library.get("booster") != "gblinear" and rounds < booster.rounds():
        booster = booster.first_rounds(rounds)
    booster.set_attribute("best_iteration", str(stopping.best_round))
    booster.set_attribute("best_score", repr(stopping.best))
    return booster
