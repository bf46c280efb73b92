"""Boosting with the library: data, rounds with early stopping, a line of validation metrics per round."""

from __future__ import annotations

from typing import Any

import lightgbm

from sagewright_algorithms.common.cluster import ALONE, Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.jumpstart import log, tables
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.jumpstart.labels import Classes
from sagewright_algorithms.jumpstart.tables import Split
from sagewright_algorithms.lightgbm import artifact, encoding, parameters, together
from sagewright_algorithms.lightgbm.artifact import Facts


def fit(job: Job) -> None:
    """Raises ClientError, also for what the library refuses."""
    log.info("Loading data")
    together.check(job)
    data = together.shared(job, tables.read(job))
    classes = together.classes(job, data) if job.model.task == "classification" else None
    wanted = parameters.of(job.hyperparameters, len(classes) if classes else 0, data.width * len(data.train))
    wanted |= together.parameters(job.cluster, job.hosts, wanted["tree_learner"])
    facts = Facts(data.width, classes.names if classes else None, together.vocabularies(job, data))
    train = _dataset(data.train, facts, classes)
    validation = _dataset(data.validation, facts, classes, reference=train, cluster=job.cluster)
    log.info("Beginning training")
    try:
        booster = _boosted(job, wanted, train, validation)
    except lightgbm.basic.LightGBMError as error:
        raise ClientError(f"LightGBM: {error}") from error
    if job.cluster.leads:
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


def _dataset(
    split: Split, facts: Facts, classes: Classes | None, reference: Any = None, cluster: Cluster = ALONE
) -> lightgbm.Dataset:
    """With the rows of all of ``cluster``: LightGBM scores each host's alone, and all must stop at the same round."""
    return lightgbm.Dataset(
        cluster.rows(encoding.table(split.features, facts.vocabularies)),
        cluster.rows(classes.encoded(split.labels) if classes else split.targets()),
        reference=reference,
        feature_name=[f"feature_{position}" for position in range(facts.width)],
        categorical_feature=list(facts.vocabularies),
        free_raw_data=True,
    )
