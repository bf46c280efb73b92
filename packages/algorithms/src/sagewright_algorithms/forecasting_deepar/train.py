"""The DeepAR training job: time series in, ``model_algo-1`` and its weights out (DG:deepar)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sagewright_algorithms.common import log
from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.forecasting_deepar import fields, series_files
from sagewright_algorithms.forecasting_deepar.design import Design
from sagewright_algorithms.forecasting_deepar.series import MalformedSeriesError, Series
from sagewright_algorithms.forecasting_deepar.settings import IGNORE, Settings
from sagewright_algorithms.forecasting_deepar.statistics import Statistics, feature_moments


def main() -> int:
    """Trains; the exit code."""
    return run("forecasting-deepar", "AWS/DeepAR", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    settings = Settings.of(job.hyperparameters)
    if settings.patience is not None:
        log.info(f"Using early stopping with patience {settings.patience}")
    series, file = _series(job, "train")
    test = _series(job, "test")[0] if "test" in job.channels else None
    statistics = Statistics.of(series)
    design = _design(settings, series, file, statistics, job.cluster)
    _check(design, series, "train")
    statistics.report("Training")
    if test is not None:
        _check(design, test, "test")
        Statistics.of(test).report("Test")
    # By name and only now: what is wrong with the data is said before torch is imported.
    importlib.import_module("sagewright_algorithms.forecasting_deepar.training").run(job, settings, design, series, test)


def _series(job: Job, channel: str) -> tuple[list[Series], Path]:
    return series_files.read(job.layout.channel(channel), job.channels[channel])


def _check(design: Design, series: Sequence[Series], channel: str) -> None:
    for number, item in enumerate(series, 1):
        try:
            fields.check(design, item)
        except MalformedSeriesError as error:
            raise ClientError(f"Time series {number} of the channel {channel}: {error}") from error


def _design(settings: Settings, series: Sequence[Series], file: Path, statistics: Statistics, cluster: Cluster) -> Design:
    """The same on all hosts."""
    statistics.check(settings.likelihood)
    features = fields.agreed((fields.num_dynamic_feat(settings.num_dynamic_feat, series, file),), cluster)[0]
    mean, deviation = feature_moments(series, features, cluster)
    longest = cluster.most(max(len(item.target) for item in series)) - settings.prediction_length
    scales = np.log(cluster.rows(statistics.scales))
    if not len(scales):
        raise ClientError("training time series consist of only zeros")
    return Design(
        time_freq=settings.time_freq,
        context_length=settings.context_length,
        prediction_length=settings.prediction_length,
        likelihood=settings.likelihood,
        num_layers=settings.num_layers,
        num_cells=settings.num_cells,
        embedding_dimension=settings.embedding_dimension,
        lags=tuple(settings.frequency.lags(longest)),
        cardinality=fields.agreed(fields.cardinality(settings.cardinality, series, file), cluster),
        ignores_cat=settings.cardinality == IGNORE,
        ignores_dynamic_feat=settings.num_dynamic_feat == IGNORE,
        feature_mean=mean,
        feature_deviation=deviation,
        scale=float(np.exp(scales.mean())),
        log_scale_deviation=float(scales.std()) or 1.0,
    )
