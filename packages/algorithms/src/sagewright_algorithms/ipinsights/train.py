"""The IP Insights training job: pairs of entity and address in, ``model_algo-1`` out (DG:ip-insights)."""

from __future__ import annotations

import time

import numpy as np

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.common.averaging import Averaging
from sagewright_algorithms.common.channels import NOTHING, content_type, files
from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.common.matrix import Floats, Integers
from sagewright_algorithms.common.ranking import roc_auc
from sagewright_algorithms.ipinsights.events import Events, MalformedEventsError, joined, read_csv
from sagewright_algorithms.ipinsights.network import Network, Trainer

_MOST_NEGATIVES = 500
_ALL_ADDRESSES = 1 << 32


def main() -> int:
    """Trains; the exit code."""
    return run("ipinsights", "AWS/IPInsights", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    wanted = job.hyperparameters
    buckets, random = wanted.integer("num_entity_vectors"), np.random.default_rng(0)
    negatives = wanted.integer("random_negative_sampling_rate") + wanted.integer("shuffled_negative_sampling_rate")
    if not 1 <= negatives <= _MOST_NEGATIVES:
        raise ClientError(
            "The sum of random_negative_sampling_rate and shuffled_negative_sampling_rate must be from 1 to "
            f"{_MOST_NEGATIVES}, not {negatives}"
        )
    events, validation = _events(job, "train", buckets), _validation(job, buckets)
    network = Network.started(buckets, wanted.integer("vector_dim"), wanted.integer("num_ip_encoder_layers"), random)
    trainer = Trainer(network, wanted.number("learning_rate"), wanted.number("weight_decay"))
    averaging, random = Averaging(job.cluster, list(network.arrays().values())), np.random.default_rng(job.cluster.rank)
    epochs = wanted.integer("epochs")
    for epoch in range(epochs):
        _epoch(job, trainer, averaging, events, epoch, random)
        if validation is not None:
            auc = discriminator_auc(network, validation, np.random.default_rng(1), job.cluster)
            job.report.quality("validation", "discriminator_auc", auc, score=True, epoch=epoch)
        job.report.progress(epoch + 1, epochs)
    job.write_model(ndarray_file.dump(network.arrays()))


def discriminator_auc(network: Network, events: Events, random: np.random.Generator, cluster: Cluster) -> float:
    """The chance that a real pair scores higher than one with a random address."""
    drawn = random.integers(0, _ALL_ADDRESSES, len(events))
    scores = [cluster.rows(network.scores(events.entities, addresses)) for addresses in (events.addresses, drawn)]
    return roc_auc(np.concatenate(scores), np.repeat([1.0, 0.0], len(scores[0])))


def _validation(job: Job, buckets: int) -> Events | None:
    return _events(job, "validation", buckets) if "validation" in job.channels else None


def _events(job: Job, channel: str, buckets: int) -> Events:
    content_type({"ContentType": job.channels[channel].get("ContentType") or "text/csv"})
    parts = []
    for path in files(job.layout.channel(channel)):
        try:
            parts.append(read_csv(path.read_bytes(), buckets))
        except MalformedEventsError as error:
            raise ClientError(f"Unable to parse csv: rows {error.first}-{error.last}, file {path}: {error}") from error
    events = joined(parts)
    if not len(events):
        raise ClientError(NOTHING)
    return events


def _epoch(job: Job, trainer: Trainer, averaging: Averaging, events: Events, epoch: int, random: np.random.Generator) -> None:
    """One pass in random order; metrics of every so many batches and of the whole."""
    wanted, since = job.hyperparameters, time.time()
    size, interval = wanted.integer("mini_batch_size"), wanted.integer("batch_metrics_publish_interval")
    order, totals = random.permutation(len(events)), np.zeros(3)
    meetings = averaging.points(-(-len(order) // size))
    for number, start in enumerate(range(0, len(order), size)):
        batch = order[start : start + size]
        entities, addresses, labels = _with_negatives(wanted, events.entities[batch], events.addresses[batch], random)
        found = _measured(trainer.step(entities, addresses, labels), labels)
        totals += found
        if number in meetings:
            averaging.meet()
        if number % interval == 0:
            _report(job, found, epoch=epoch, batch=number)
    job.report.metrics(since, {"update.time": (time.time() - since) * 1000}, epoch=epoch)
    _report(job, totals, epoch=epoch)
    job.report.throughput(len(events), since)


def _with_negatives(
    wanted: Hyperparameters, entities: Integers, addresses: Integers, random: np.random.Generator
) -> tuple[Integers, Integers, Floats]:
    """Beside each real pair its entity with random addresses, and with addresses of other rows of the batch."""
    drawn = [random.integers(0, _ALL_ADDRESSES, len(entities)) for _ in range(wanted.integer("random_negative_sampling_rate"))]
    shuffled = [random.permutation(addresses) for _ in range(wanted.integer("shuffled_negative_sampling_rate"))]
    everything = [addresses, *drawn, *shuffled]
    labels = np.zeros(len(entities) * len(everything), np.float32)
    labels[: len(entities)] = 1
    return np.tile(entities, len(everything)), np.concatenate(everything), labels


def _measured(scores: Floats, labels: Floats) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Sums: rows, rows told right, cross entropy."""
    entropy = (np.logaddexp(0, scores.astype(np.float64)) - labels * scores).sum()
    return np.array([len(labels), ((scores >= 0) == (labels == 1)).sum(), entropy], np.float64)


def _report(job: Job, sums: np.ndarray[tuple[int], np.dtype[np.float64]], **where: int) -> None:
    rows, right, entropy = sums.tolist()
    job.report.quality("train", "binary_classification_accuracy", right / rows, score=True, **where)
    job.report.quality("train", "binary_classification_cross_entropy", entropy / rows, score=False, **where)
