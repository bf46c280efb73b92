"""Fits AutoGluon's ensemble on the tables of a job."""

from __future__ import annotations

from typing import Any

import pandas as pd
from autogluon.tabular import TabularPredictor

from sagewright_algorithms.autogluon_tabular import artifact, parameters
from sagewright_algorithms.autogluon_tabular.artifact import LABEL, Columns
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.threads import threads_for
from sagewright_algorithms.jumpstart import log, tables
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.jumpstart.labels import Classes
from sagewright_algorithms.jumpstart.tables import Split, Tables


def fit(job: Job) -> None:
    """Raises ClientError, also for what the library refuses."""
    wanted = job.hyperparameters
    data = tables.read(job, text=True)
    classes = Classes.of(data.train.labels, data.validation.labels) if job.model.task == "classification" else None
    count = len(classes) if classes is not None else 0
    arguments = parameters.of(wanted, threads_for(data.width * len(data.train)))
    train, validation = (_frame(split, data, classes) for split in (data.train, data.validation))
    if parameters.bags(wanted) and not _validates(job):
        train, validation = (
            pd.concat([train, validation], ignore_index=True),
            None,
        )  # what was drawn for it is needed for no more
    elif parameters.bags(wanted):
        arguments["use_bag_holdout"] = True
    log.info(f"Left out of the ensemble: {', '.join(arguments['excluded_model_types'])}, which need torch")
    try:
        predictor = TabularPredictor(
            label=LABEL,
            path=str(job.artifact),
            problem_type=parameters.problem(count),
            eval_metric=parameters.metric(wanted, count),
            verbosity=wanted.integer("verbosity"),
        )
        predictor.fit(train, tuning_data=validation, **arguments)
    except (ValueError, AssertionError, RuntimeError) as error:  # AutoGluon's refusals
        raise ClientError(f"AutoGluon: {error}") from error
    artifact.write(job.artifact, _columns(data))


def _validates(job: Job) -> bool:
    """Whether the user gave validation data."""
    return job.folder("validation") is not None or (job.training() / "validation").is_dir()


def _frame(split: Split, data: Tables, classes: Classes | None) -> Any:
    """The features as the endpoint will read them, and the label as the user has it."""
    features = split.features.copy()
    for position in data.categorical:
        name = features.columns[position]
        features[name] = features[name].astype("category")
    labels = [classes.names[number] for number in classes.encoded(split.labels)] if classes else split.targets()
    return features.assign(**{LABEL: labels})


def _columns(data: Tables) -> Columns:
    kinds = [column.kind for column in data.train.features.dtypes]
    text = [position for position, kind in enumerate(kinds) if kind == "O" and position not in data.categorical]
    return Columns(data.width, list(data.categorical), text)
