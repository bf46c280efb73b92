"""The K-Means training job: /opt/ml in, ``model_algo-1`` (an NDArray of k rows) out (DG:k-means)."""

from __future__ import annotations

import time

import numpy as np

from sagewright_algorithms.common import log, ndarray_file
from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.common.matrix import Doubles, Floats
from sagewright_algorithms.kmeans.clustering import Lloyd, Stream, nearest, start

_EXTRA_CENTRES, _TRIALS = 10, 10  # what "auto" means here
_STARTING_ROWS = 20_000


def main() -> int:
    """Trains; the exit code."""
    return run("kmeans", "AWS/KMeansWebscale", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    wanted = job.hyperparameters
    rows = job.train_examples().dense(wanted.integer("feature_dim"))
    count = wanted.integer("k")
    records = round(float(job.cluster.sum(np.array([len(rows)], np.float64))[0]))
    if count > records:
        raise ClientError(f"The number of clusters k={count} is larger than the number of training records {records}")
    random = np.random.default_rng(0)
    stream = _stream(job, rows, random)
    lloyd = Lloyd(
        wanted.text("local_lloyd_init_method"),
        wanted.integer("local_lloyd_max_iter"),
        wanted.number("local_lloyd_tol"),
        wanted.integer("local_lloyd_num_trials", _TRIALS),
    )
    centres = _reduced(stream, lloyd, count, random).astype(np.float32)
    _, distances = nearest(rows, centres)
    job.report.quality("train", "msd", _sum(job, distances) / records)
    _evaluate(job, centres)
    job.write_model(ndarray_file.dump([centres]))


def _stream(job: Job, rows: Floats, random: np.random.Generator) -> Stream:
    """The streaming phase over all epochs."""
    wanted = job.hyperparameters
    epochs, batch = wanted.integer("epochs"), wanted.integer("mini_batch_size")
    stream = Stream.started(_start(wanted, rows, random, job.cluster), wanted.integer("half_life_time_size"))
    for epoch in range(epochs):
        since = time.time()
        loss = sum(stream.update(rows[first : first + batch]) for first in range(0, len(rows), batch))
        stream.agree(job.cluster)
        job.report.metrics(since, {"update.time": (time.time() - since) * 1000}, epoch=epoch)
        job.report.quality("train", "msd", loss / len(rows), epoch=epoch)
        job.report.progress(epoch + 1, epochs)
        job.report.throughput(len(rows), since)
    return stream


def _start(wanted: Hyperparameters, rows: Floats, random: np.random.Generator, cluster: Cluster) -> Doubles:
    """k times the extra factor, drawn from all rows of all hosts, so that their order does not matter."""
    wide = wanted.integer("k") * wanted.integer("extra_center_factor", _EXTRA_CENTRES)
    share = max(_STARTING_ROWS, wide) // cluster.size + 1
    sample = cluster.rows(rows if len(rows) <= share else rows[cluster.sampler().choice(len(rows), share, replace=False)])
    wide = min(wide, len(sample))
    log.info(f"Initializing {wide} centers with {wanted.text('init_method')}")
    return start(sample.astype(np.float64), np.ones(len(sample)), wide, wanted.text("init_method"), random)


def _reduced(stream: Stream, lloyd: Lloyd, count: int, random: np.random.Generator) -> Doubles:
    """k centres of the stream's; those that stand for no point count only when too few others are there."""
    used = stream.weights > 0
    points, weights = (stream.centres[used], stream.weights[used]) if used.sum() >= count else (stream.centres, stream.weights)
    if len(points) <= count:
        return points
    return lloyd.reduce(points, np.maximum(weights, 1e-9), count, random)


def _evaluate(job: Job, centres: Floats) -> None:
    """The metrics of the test channel."""
    examples = job.examples("test")
    if examples is None:
        return
    _, distances = nearest(examples.dense(centres.shape[1]), centres)
    total, count = _sum(job, distances), _sum(job, np.ones(len(distances)))
    values = {"msd": total / count, "ssd": total}
    for name in job.hyperparameters.listed("eval_metrics"):
        job.report.quality("test", name, values[name])
        job.report.test_score(name, values[name])


def _sum(job: Job, values: Doubles) -> float:
    """Over all hosts."""
    return float(job.cluster.sum(np.array([values.sum()]))[0])
