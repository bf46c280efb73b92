"""Boosting with the library: data, rounds with early stopping, its own log with ``bestTest`` at the end."""

from __future__ import annotations

from typing import Any

import catboost

from sagewright_algorithms.catboost import artifact, parameters
from sagewright_algorithms.catboost.artifact import Facts
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.jumpstart import log, tables
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.jumpstart.labels import Classes
from sagewright_algorithms.jumpstart.tables import Split


def fit(job: Job) -> None:
    """Raises ClientError, also for what the library refuses."""
    log.info("Loading data")
    data = tables.read(job)
    classes = Classes.of(data.train.labels, data.validation.labels) if job.model.task == "classification" else None
    wanted = parameters.of(job.hyperparameters, len(classes) if classes else 0, data.width * len(data.train))
    facts = Facts(data.width, classes.names if classes else None, data.categorical)
    log.info("Beginning training")
    try:
        train, validation = (_pool(split, facts, classes) for split in (data.train, data.validation))
        model = _model(wanted, classes)
        patience = job.hyperparameters.integer("early_stopping_rounds")
        model.fit(train, eval_set=validation, early_stopping_rounds=patience)
    except catboost.CatBoostError as error:
        raise ClientError(f"CatBoost: {error}") from error
    _log_best(model, wanted["eval_metric"])
    artifact.write(job.artifact, model, facts)


def _model(wanted: dict[str, Any], classes: Classes | None) -> Any:
    if classes is None:
        return catboost.CatBoostRegressor(**wanted)
    objective = "Logloss" if len(classes) == 2 else "MultiClass"
    return catboost.CatBoostClassifier(loss_function=objective, class_names=list(range(len(classes))), **wanted)


def _pool(split: Split, facts: Facts, classes: Classes | None) -> catboost.Pool:
    labels = classes.encoded(split.labels) if classes else split.targets()
    features = split.features if facts.categorical else split.features.to_numpy()
    names = list(split.features.columns)
    return catboost.Pool(features, labels, cat_features=list(facts.categorical), feature_names=names)


def _log_best(model: Any, metric: str) -> None:
    """The library's own line once more: it may have an exponent, which the metrics' regexes would cut off."""
    best = model.get_best_score().get("validation", {}).get(metric)
    if best is not None:
        print(f"bestTest = {best:.10f}", flush=True)
