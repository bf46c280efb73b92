"""What of a training job needs torch: fit, write the model, score it on the test channel."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sagewright_algorithms.common import accelerator, log
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.forecasting_deepar import artifact, evaluation
from sagewright_algorithms.forecasting_deepar.design import Design
from sagewright_algorithms.forecasting_deepar.fitting import fit
from sagewright_algorithms.forecasting_deepar.forecasting import Forecaster
from sagewright_algorithms.forecasting_deepar.network import Network
from sagewright_algorithms.forecasting_deepar.series import Series
from sagewright_algorithms.forecasting_deepar.settings import Settings
from sagewright_algorithms.forecasting_deepar.windows import Panel

_MUCH = 2**16


def run(job: Job, settings: Settings, design: Design, series: Sequence[Series], test: Sequence[Series] | None) -> None:
    """Raises ClientError."""
    device = accelerator.prepare(threads=_threads(settings))
    log.info(f"Number of GPUs being used: {int(device.type == 'cuda')}")
    network = Network(design, settings.dropout_rate).to(device)
    fit(job, settings, network, Panel(design, series), device)
    artifact.write(job, design, network)
    log.info("Successfully serialized the model for prediction.")
    if test is not None:
        _score(job, settings, Forecaster(design, network, device), test)


def _threads(settings: Settings) -> int | None:
    """One unless a step of the network is a lot of work: to wake the others takes longer than they save."""
    return 1 if settings.mini_batch_size * settings.num_cells < _MUCH else None


def _score(job: Job, settings: Settings, forecaster: Forecaster, test: Sequence[Series]) -> None:
    since = time.time()
    replicated = job.channels["test"].get("S3DistributionType") != "ShardedByS3Key"
    parts = job.cluster.size if replicated else 1
    scores = evaluation.score(forecaster, test, settings.quantiles, settings.num_eval_samples, job.cluster, parts)
    job.report.metrics(since, {"model.score.time": (time.time() - since) * 1000})
    for name, value in scores.named().items():
        log.info(f"#test_score ({job.report.host}, {name}): {value}")
    job.report.quality("test", "RMSE", scores.rmse)
    job.report.quality("test", "mean_wQuantileLoss", scores.mean_weighted)
