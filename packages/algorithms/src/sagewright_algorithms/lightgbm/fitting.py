"""Boosting with the library: data, rounds with early stopping, a line of validation metrics per round."""

from __future__ import annotations

from typing import Any

import lightgbm

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.jumpstart import log, tables
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.jumpstart.labels import Classes
from sagewright_algorithms.jumpstart.tables import Split, Tables
from sagewright_algorithms.lightgbm import artifact, encoding, parameters
from sagewright_algorithms.lightgbm.artifact import Facts


def fit(job: Job) -> None:
    """Raises ClientError, also for what the library refuses."""
    log.info("Loading data")
    data = tables.read(job)
    classes = Classes.of(data.train.labels, data.validation.labels) if job.model.task == "classification" else None
    wanted = parameters.of(job.hyperparameters, len(classes) if classes else 0, data.width * len(data.train))
    facts = Facts(data.width, classes.names if classes else None, _vocabularies(data))
    train = _dataset(data.train, facts, classes)
    validation = _dataset(data.validation, facts, classes, reference=train)
    log.info("Beginning training")
    try:
        booster = _boosted(job, wanted, train, validation)
    except lightgbm.basic.LightGBMError as error:
        raise ClientError(f"LightGBM: {error}") from error
    artifact.write(job.artifact, booster, facts)


def _boosted(job: Job, wanted: dict[str, Any], train: lightgbm.Dataset, validation: lightgbm.Dataset) -> lightgbm.Booster:
    """Cut to its best round where it was stopped early."""
    callbacks: list[Any] = [_log_round]
    patience = job.hyperparameters.integer("early_stopping_rounds")
    if patience > 0 and wanted["boosting"] != "dart":  # dart changes its old trees: its best round cannot be gone back to
        callbacks.append(lightgbm.early_stopping(patience, verbose=True))
    rounds = job.hyperparameters.integer("num_boost_round")
    return lightgbm.train(wanted, train, rounds, valid_sets=[validation], valid_names=["val"], callbacks=callbacks)


def _log_round(state: lightgbm.callback.CallbackEnv) -> None:
    """``[7]<tab>val's auc: 0.98123456``: never with an exponent, which the metrics' regexes would cut off."""
    found = "\t".join(f"{name}'s {metric}: {value:.8f}" for name, metric, value, *_ in state.evaluation_result_list or ())
    print(f"[{state.iteration + 1}]\t{found}", flush=True)


def _vocabularies(data: Tables) -> dict[int, dict[str, int]]:
    return {position: encoding.vocabulary(data.train.features.iloc[:, position]) for position in data.categorical}


def _dataset(split: Split, facts: Facts, classes: Classes | None, reference: Any = None) -> lightgbm.Dataset:
    return lightgbm.Dataset(
        encoding.table(split.features, facts.vocabularies),
        classes.encoded(split.labels) if classes else split.targets(),
        reference=reference,
        feature_name=[f"feature_{position}" for position in range(facts.width)],
        categorical_feature=list(facts.vocabularies),
        free_raw_data=True,
    )
