"""From the channels of a job to a topic model."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from itertools import cycle, islice
from math import isfinite

import torch

from sagewright_algorithms.common import accelerator, log
from sagewright_algorithms.common.channels import Examples
from sagewright_algorithms.common.data_parallel import DataParallel
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import AUTO, Hyperparameters
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.common.matrix import CompressedRows, Rows, WrongWidthError, fitted
from sagewright_algorithms.ntm import topics, vocabulary
from sagewright_algorithms.ntm.batches import Documents, in_order, on_device, shuffled
from sagewright_algorithms.ntm.network import Network, Shape
from sagewright_algorithms.ntm.optimizers import Steps
from sagewright_algorithms.ntm.stopping import Patience

_SEED = 0
_AUTO_LAYERS = (3, 2)  # times num_topics (DG)
_PRODUCTS_PER_THREAD = 20_000_000
"""Of a batch; threads that have less to do wait for each other longer than they work."""


def train(job: Job) -> None:
    """Raises ClientError."""
    wanted = job.hyperparameters
    shape, words = shape_of(wanted), wanted.integer("feature_dim")
    device = accelerator.prepare(_SEED, _threads(shape, wanted.integer("mini_batch_size")))
    rows = _rows(job.train_examples(), words)
    given = {name: job.examples(name) for name in ("validation", "test")}
    others = {name: on_device(_rows(item, words), words, device) for name, item in given.items() if item is not None}
    names = (
        vocabulary.read(job.layout.channel("auxiliary"), job.channels["auxiliary"], words)
        if "auxiliary" in job.channels
        else None
    )
    network = Network(shape).to(device)
    epochs = _fit(job, network, on_device(rows, words, device), others.get("validation"))
    if "test" in others:
        loss = measured(network, others["test"], wanted.integer("mini_batch_size"))
        job.report.quality("test", "total_loss", loss.total, epoch=epochs)
        job.report.test_score("total_loss", loss.total)
    model = network.topic_model()
    for line in topics.lines(topics.describe(model.projection.weight, rows), names):
        log.info(line)
    job.write_model(model.dump())


@dataclass(frozen=True, slots=True)
class Loss:
    """Of a document, in nats."""

    reconstruction: float
    divergence: float

    @property
    def total(self) -> float:
        """What training minimises."""
        return self.reconstruction + self.divergence


@torch.inference_mode()
def measured(network: Network, documents: Documents, size: int) -> Loss:
    """With the likeliest shares of each document."""
    network.eval()
    sums = torch.zeros(2, dtype=torch.float64)
    for places in in_order(len(documents), size):
        sums += torch.stack([part.sum(dtype=torch.float64) for part in network(documents.batch(places))]).cpu()
    reconstruction, divergence = (sums / len(documents)).tolist()
    return Loss(reconstruction, divergence)


def shape_of(wanted: Hyperparameters) -> Shape:
    """Raises ClientError."""
    count, text = wanted.integer("num_topics"), wanted.text("encoder_layers")
    layers = tuple(factor * count for factor in _AUTO_LAYERS) if text == AUTO else _widths(text)
    activation, norm = wanted.text("encoder_layers_activation"), wanted.flag("batch_norm")
    return Shape(wanted.integer("feature_dim"), count, layers, activation, norm)


def _fit(job: Job, network: Network, documents: Documents, validation: Documents | None) -> int:
    """All epochs, or until the loss no longer falls; how many there were."""
    wanted = job.hyperparameters
    hosts = DataParallel(job.cluster, network)
    steps = Steps(
        network,
        hosts,
        wanted.text("optimizer"),
        wanted.number("learning_rate"),
        wanted.number("weight_decay"),
        wanted.number("rescale_gradient"),
        wanted.number("clip_gradient"),
    )
    patience = Patience(wanted.integer("num_patience_epochs"), wanted.number("tolerance"))
    epochs, epoch = wanted.integer("epochs"), 0
    for epoch in range(1, epochs + 1):
        since = time.time()
        loss = _epoch(job, network, steps, documents, epoch)
        hosts.share_buffers()
        if validation is not None:
            loss = measured(network, validation, wanted.integer("mini_batch_size"))
            _report(job, "validation", loss, epoch)
        if not isfinite(loss.total):
            raise ClientError("The model diverged: its loss is not a number any more. Lower learning_rate or set clip_gradient")
        job.report.metrics(since, {"update.time": (time.time() - since) * 1000}, epoch=epoch)
        job.report.progress(epoch, epochs)
        job.report.throughput(len(documents), since)
        if patience.exhausted(network, epoch, loss.total):
            log.info(f"Early stop condition met. Stopping training after epoch {epoch}.")
            break
    patience.restore(network)
    return epoch


def _epoch(job: Job, network: Network, steps: Steps, documents: Documents, epoch: int) -> Loss:
    """One pass; the loss is that of each batch before its step."""
    wanted = job.hyperparameters
    size, share = wanted.integer("mini_batch_size"), wanted.number("sub_sample")
    network.train()
    sums, seen, batches = torch.zeros(2), 0, 0
    found = list(shuffled(len(documents), size, share, 2 if network.shape.batch_norm else 1))
    for places in islice(cycle(found), job.cluster.most(len(found))):
        reconstruction, divergence = network(documents.batch(places))
        steps.step(reconstruction + divergence)
        sums += torch.stack([reconstruction.detach().sum(), divergence.detach().sum()]).cpu()
        seen, batches = seen + len(places), batches + 1
    log.info(f"# Finished training epoch {epoch} on {seen} examples from {batches} batches, each of size {size}.")
    loss = Loss(*job.cluster.mean((sums / seen).numpy(), seen).tolist())
    _report(job, "train", loss, epoch)
    return loss


def _report(job: Job, split: str, loss: Loss, epoch: int) -> None:
    log.info(f"Metrics for {'Training' if split == 'train' else 'Inference'}:")
    for name, value in (("total", loss.total), ("kld", loss.divergence), ("recons", loss.reconstruction)):
        log.info(f"Loss (name: value) {name}: {value}")
    job.report.quality(split, "total_loss", loss.total, epoch=epoch)


def _threads(shape: Shape, size: int) -> int:
    products = size * shape.words * (shape.layers[0] + shape.topics)
    return max(1, min(len(os.sched_getaffinity(0)), products // _PRODUCTS_PER_THREAD))


def _widths(text: str) -> tuple[int, ...]:
    """``100,50``, or the same as a JSON list. Raises ClientError."""
    try:
        found = json.loads(text if text.startswith("[") else f"[{text}]")
    except ValueError:
        found = []
    widths = [int(item) if isinstance(item, str) and item.isdigit() else item for item in found]
    if not widths or not all(isinstance(width, int) and width > 0 for width in widths):
        raise ClientError(
            f"{text!r} is not valid under any of the given schemas: encoder_layers is auto or a list of positive integers"
        )
    return tuple(widths)


def _rows(examples: Examples, words: int) -> Rows:
    """Raises ClientError."""
    try:
        rows = fitted(examples.rows, words)
    except WrongWidthError as error:
        raise ClientError(str(error)) from error
    values = rows.values if isinstance(rows, CompressedRows) else rows
    if values.min(initial=0) < 0:
        raise ClientError("A document has a negative number of words")
    if not values.any():
        raise ClientError("No training data processed: none of the documents has a word")
    return rows
