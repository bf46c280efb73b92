"""Tuning: what a trial costs over its training, and what the search finds, beside random search and optuna's own default."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import optuna
import xgboost
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from support.jobs import breast_cancer, bucket, csv, training_job, wait, wait_for_job
from support.server import Server, running_server

from benchmarks.figures import Figure, Floor, at_most, median
from sagewright.features.tuning.ledger import Ledger
from sagewright.features.tuning.ranges import Space
from sagewright.features.tuning.sampler import SamplerProcess
from sagewright.features.tuning.search import Sampler, propose
from sagewright.features.tuning.settings import MANY, Definition, Objective, Settings
from sagewright.features.tuning.trial import Trial

_TRIALS = 40
_SEEDS = range(10)
_JOBS = 12
_LIMIT = 0.06  # seconds over the training itself
_FOLDS = 3

Values = Mapping[str, str]


def figures() -> list[Figure]:
    """Overhead first: it wants a quiet machine."""
    with running_server(hold_describe=0.0) as server:
        found = [figure for strategy in ("Random", "Bayesian") for figure in _overhead(server, strategy)]
    return [*found, *(figure for problem in problems() for figure in _quality(problem))]


def _overhead(server: Server, strategy: str) -> list[Figure]:
    """One training job after the other: what lies between them, and what a trial takes over the same training job alone."""
    name = bucket(server, f"bench-tuning-{strategy.lower()}")
    data = csv(breast_cancer()[0])
    for channel in ("train", "validation"):
        server.client("s3").put_object(Bucket=name, Key=f"{channel}/{channel}.csv", Body=data)
    sagemaker = server.client("sagemaker")
    alone = median(_alone(sagemaker, f"alone-{strategy}-{number}", name) for number in range(8))
    began = time.monotonic()
    sagemaker.create_hyper_parameter_tuning_job(**_tuning_job(f"bench-{strategy}", name, strategy))
    ended = wait(
        lambda: sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=f"bench-{strategy}"),
        "HyperParameterTuningJobStatus",
        {"Completed", "Failed"},
        120,
    )
    each = (time.monotonic() - began) / _JOBS
    if ended["TrainingJobStatusCounters"]["Completed"] != _JOBS:
        raise RuntimeError(ended.get("FailureReason"))
    floor = Floor("the training job", alone)
    return [
        at_most(
            f"{strategy}: end of a training job to the creation of the next, p50", _between(sagemaker, ended), _LIMIT, floor
        ),
        at_most(f"{strategy}: a trial, all in all, over the same training job alone", each - alone, _LIMIT, floor),
    ]


def _between(sagemaker: Any, job: dict[str, Any]) -> float:
    """Seconds by the server's own times."""
    name = job["HyperParameterTuningJobName"]
    listed = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=name, MaxResults=100)
    trials = listed["TrainingJobSummaries"]
    return median((after["CreationTime"] - before["TrainingEndTime"]).total_seconds() for before, after in pairwise(trials))


def _alone(sagemaker: Any, name: str, bucket_name: str) -> float:
    """Seconds from the request to Completed."""
    began = time.monotonic()
    request = training_job(name, bucket_name)
    sagemaker.create_training_job(
        **{**request, "InputDataConfig": _channels(bucket_name), "HyperParameters": {**_STATIC, "eta": "0.3"}}
    )
    wait_for_job(sagemaker, name)
    return time.monotonic() - began


_STATIC = {"objective": "binary:logistic", "num_round": "20", "_tuning_objective_metric": "validation:logloss"}


def _channels(bucket_name: str) -> list[dict[str, Any]]:
    return [
        {
            "ChannelName": channel,
            "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket_name}/{channel}/"}},
        }
        for channel in ("train", "validation")
    ]


def _tuning_job(name: str, bucket_name: str, strategy: str) -> dict[str, Any]:
    request = training_job(name, bucket_name)
    kept = ("AlgorithmSpecification", "RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition")
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": strategy,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:logloss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": _JOBS, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.1", "MaxValue": "0.5"}]},
        },
        "TrainingJobDefinition": {
            **{member: request[member] for member in kept},
            "InputDataConfig": _channels(bucket_name),
            "StaticHyperParameters": {key: value for key, value in _STATIC.items() if not key.startswith("_")},
        },
    }


@dataclass(frozen=True)
class Problem:
    """A loss to be made small, over ranges as a request writes them."""

    name: str
    ranges: dict[str, Any]
    loss: Callable[[Values], float]


@cache
def problems() -> tuple[Problem, ...]:
    """Hartmann-6, and XGBoost on three of scikit-learn's tables, cross-validated."""
    return (
        Problem("Hartmann-6", _ranges(**{f"x{place}": ("0", "1", "Linear") for place in range(6)}), _hartmann),
        Problem("breast cancer", _BOOSTING, _boosted(load_breast_cancer, "binary:logistic", "logloss")),
        Problem("diabetes", _BOOSTING, _boosted(load_diabetes, "reg:squarederror", "rmse")),
        Problem("wine", _BOOSTING, _boosted(load_wine, "multi:softprob", "mlogloss", classes=3)),
    )


def _ranges(**named: tuple[str, str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"ContinuousParameterRanges": [], "IntegerParameterRanges": []}
    for name, (low, high, scaling) in named.items():
        member = "IntegerParameterRanges" if scaling == "Integer" else "ContinuousParameterRanges"
        item = {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": "Linear" if scaling == "Integer" else scaling}
        found[member].append(item)
    return found


_BOOSTING = _ranges(
    eta=("0.01", "0.5", "Logarithmic"),
    min_child_weight=("0.1", "20", "Logarithmic"),
    subsample=("0.4", "1", "Linear"),
    colsample_bytree=("0.3", "1", "Linear"),
    **{"lambda": ("0.001", "100", "Logarithmic")},
    max_depth=("2", "10", "Integer"),
    num_round=("10", "80", "Integer"),
)

_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_SHAPES = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]], dtype=float
)
_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def _hartmann(values: Values) -> float:
    """Its minimum is -3.32237."""
    place = np.array([float(values[f"x{number}"]) for number in range(6)])
    return -float(np.sum(_WEIGHTS * np.exp(-np.sum(_SHAPES * (place - _CENTRES) ** 2, axis=1))))


def _boosted(load: Callable[..., Any], objective: str, metric: str, classes: int = 0) -> Callable[[Values], float]:
    features, labels = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    features, labels, fold = features[order], labels[order], np.arange(len(labels)) % _FOLDS
    parts = [
        (
            xgboost.DMatrix(features[fold != number], labels[fold != number]),
            xgboost.DMatrix(features[fold == number], labels[fold == number]),
        )
        for number in range(_FOLDS)
    ]
    fixed = {
        "objective": objective,
        "eval_metric": metric,
        "nthread": 1,
        "seed": 0,
        **({"num_class": classes} if classes else {}),
    }

    def loss(values: Values) -> float:
        given = {**values, **fixed}
        rounds = int(given.pop("num_round"))
        return math.fsum(float(xgboost.train(given, train, rounds).eval(test).split(":")[-1]) for train, test in parts) / _FOLDS

    return loss


def _quality(problem: Problem) -> list[Figure]:
    """The median over ten seeds of the best loss after as many trials."""
    ours, random, theirs = (median(found) for found in asyncio.run(_searches(problem)))
    name = f"{problem.name}: best of {_TRIALS} trials, median of {len(_SEEDS)} seeds, Bayesian"
    return [
        Figure(f"{name} against Random", f"{ours:.5g} against {random:.5g}", "lower", ours < random),
        Figure(f"{name} against optuna's default", f"{ours:.5g} against {theirs:.5g}", "not higher", ours <= theirs),
    ]


async def _searches(problem: Problem) -> tuple[list[float], list[float], list[float]]:
    sampler = SamplerProcess()
    try:
        ours = [await search(problem, "Bayesian", seed, sampler) for seed in _SEEDS]
        random = [await search(problem, "Random", seed, sampler) for seed in _SEEDS]
    finally:
        await sampler.close()
    return ours, random, [_default(problem, seed) for seed in _SEEDS]


async def search(problem: Problem, strategy: str, seed: int, sampler: Sampler) -> float:
    """The way of a tuning job, without its training jobs."""
    definition = Definition("", Objective("loss", "Minimize"), Space.of(problem.ranges), {})
    settings = Settings(strategy, (definition,), MANY, 1, math.inf, seed, False, None, None, 0, False)
    trials: tuple[Trial, ...] = ()
    for _ in range(_TRIALS):
        (trial,) = await propose(
            f"{problem.name} {seed}", settings, Ledger.of(trials, {}), (), False, sampler, lambda number: f"trial-{number}"
        )
        trials = (*trials, replace(trial, status="Completed", objective=problem.loss(trial.values)))
    return min(trial.objective for trial in trials if trial.objective is not None)


def _default(problem: Problem, seed: int) -> float:
    """optuna's default sampler on the same ranges and scales."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=type(optuna.create_study().sampler)(seed=seed))
    space = {item.name: _distribution(item) for item in Space.of(problem.ranges).ranges}
    for _ in range(_TRIALS):
        trial = study.ask(space)
        study.tell(trial, problem.loss({name: str(value) for name, value in trial.params.items()}))
    return float(study.best_value)


def _distribution(item: Any) -> BaseDistribution:
    if item.kind == "integer":
        return IntDistribution(int(item.low), int(item.high))
    return FloatDistribution(item.low, item.high, log=item.log)
