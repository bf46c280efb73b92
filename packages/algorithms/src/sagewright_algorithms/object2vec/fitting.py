"""Training of one job: starts, epochs, early stopping, metrics, the artifact."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import chain

import numpy as np
import torch

from sagewright_algorithms.common import accelerator, log
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.object2vec import artifact, auxiliary, training
from sagewright_algorithms.object2vec.encoders import EMBEDDING_SCALE
from sagewright_algorithms.object2vec.network import Network
from sagewright_algorithms.object2vec.optimizers import Steps
from sagewright_algorithms.object2vec.pairs import Pairs
from sagewright_algorithms.object2vec.settings import NetworkSettings
from sagewright_algorithms.object2vec.stopping import EarlyStopping


def fit(job: Job, settings: NetworkSettings, examples: Pairs, validation: Pairs | None, test: Pairs | None) -> None:
    """Raises ClientError."""
    device, random = accelerator.prepare(), np.random.default_rng(0)
    lazy = job.hyperparameters.text("token_embedding_storage_type") == "row_sparse"
    network = Network(settings, lazy)
    _start_pretrained(job, network, random)
    network.to(device)
    log.info(f"Training on {device} with {sum(item.numel() for item in network.parameters())} parameters")
    _epochs(job, network, _training(job, network, lazy, random), examples, validation)
    if test is not None:
        _report(job, "test", training.evaluate(network, test))
    job.write_model(artifact.dump(network))


def _start_pretrained(job: Job, network: Network, random: np.random.Generator) -> None:
    """Token vectors of the auxiliary channel, for the encoders that name a file."""
    for number, (start, settings) in enumerate(zip(network.tables, network.settings.encoders, strict=False)):
        if not settings.embedding_file:
            continue
        if "auxiliary" not in job.channels:
            raise ClientError(f"enc{number}_pretrained_embedding_file needs the auxiliary channel")
        table, known = auxiliary.vectors(job.layout.channel("auxiliary"), settings, random, EMBEDDING_SCALE)
        log.info(f"Pretrained vectors of enc{number}: {known} of {settings.vocab_size} words from {settings.embedding_file}")
        start.data = torch.from_numpy(table)
        start.requires_grad_(not settings.freeze)


def _training(job: Job, network: Network, lazy: bool, random: np.random.Generator) -> training.Training:
    wanted = job.hyperparameters
    others = [item for name, item in network.named_parameters() if not name.endswith(".table")]
    steps = Steps(
        wanted.text("optimizer"),
        wanted.number("learning_rate"),
        wanted.number("weight_decay"),
        others if lazy else chain(others, network.tables),
        network.tables if lazy else (),
    )
    return training.Training(network, steps, wanted.integer("negative_sampling_rate"), random)


def _epochs(job: Job, network: Network, trained: training.Training, examples: Pairs, validation: Pairs | None) -> None:
    """Ends with the network of the epoch whose validation loss was least."""
    wanted, best = job.hyperparameters, None
    # Lazy slopes and buckets do not go together (DG:object2vec-hyperparameters).
    lazy = wanted.text("token_embedding_storage_type") == "row_sparse"
    width = 0 if lazy else wanted.integer("bucket_width")
    stopping = EarlyStopping(wanted.integer("early_stopping_patience"), wanted.number("early_stopping_tolerance"))
    epochs = wanted.integer("epochs")
    for epoch in range(epochs):
        since = time.time()
        metrics = trained.epoch(examples, wanted.integer("mini_batch_size"), width)
        _check_finite(metrics)
        job.report.metrics(since, {"update.time": (time.time() - since) * 1000}, epoch=epoch)
        job.report.throughput(len(examples), since)
        _report(job, "train", metrics, epoch=epoch)
        if validation is not None:
            metrics = training.evaluate(network, validation)
            _report(job, "validation", metrics, epoch=epoch)
        job.report.progress(epoch + 1, epochs)
        stops = stopping.stops(training.loss_of(metrics))
        if validation is not None and stopping.is_best:
            best = _copied(network)
        if stops and epoch + 1 < epochs:
            log.info("Early stop condition met. Stopping training.")
            job.report.progress(epochs, epochs)
            break
    if best is not None:
        network.load_state_dict(best, strict=False)


def _copied(network: Network) -> dict[str, torch.Tensor]:
    """What training changes."""
    return {name: item.detach().clone() for name, item in network.named_parameters() if item.requires_grad}


def _check_finite(metrics: Mapping[str, float]) -> None:
    if not np.isfinite(training.loss_of(metrics)):
        raise ClientError("The training loss is not finite: a smaller learning_rate is needed")


def _report(job: Job, split: str, metrics: Mapping[str, float], **where: int) -> None:
    for name, value in metrics.items():
        job.report.quality(split, name, value, score=name == "accuracy", **where)
