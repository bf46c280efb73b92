"""The PCA training job: /opt/ml in, ``model_algo-1`` with the arrays mean, v and s out (DG:pca)."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from sagewright_algorithms.common import ndarray_file
from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.pca.components import Batches, Components, mean_of, randomized, regular

_LEAST_EXTRA = 10
_ROWS_AT_ONCE = 8192
"""Sums do not depend on the size of a batch; small ones would cost time and nothing else."""


def main() -> int:
    """Trains; the exit code."""
    return run("pca", "PCA", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    wanted = job.hyperparameters
    width, number = wanted.integer("feature_dim"), wanted.integer("num_components")
    if number > width:
        raise ClientError(f"num_components {number} must not be larger than feature_dim {width}")
    rows = job.train_examples().dense(width)
    since = time.time()
    found = _components(wanted, rows, job.cluster)
    job.report.metrics(since, {"update.time": (time.time() - since) * 1000}, epoch=0)
    job.report.progress(1, 1)
    job.report.throughput(len(rows), since)
    centred = {"mean": found.mean} if wanted.flag("subtract_mean") else {}
    arrays = {**centred, "v": found.vectors, "s": found.singular_values}
    job.write_model(ndarray_file.dump({name: values.astype(np.float32) for name, values in arrays.items()}))


def _components(wanted: Hyperparameters, rows: Floats, cluster: Cluster) -> Components:
    number = wanted.integer("num_components")
    batches = _batches(rows, max(wanted.integer("mini_batch_size"), _ROWS_AT_ONCE))
    mean = mean_of(batches, rows.shape[1], cluster) if wanted.flag("subtract_mean") else np.zeros(rows.shape[1])
    if wanted.text("algorithm_mode") == "regular":
        return regular(batches, mean, number, cluster)
    extra = wanted.integer("extra_components")
    extra = max(_LEAST_EXTRA, number) if extra == -1 else extra
    extra = min(extra, rows.shape[1] - number)
    return randomized(batches, mean, number, extra, np.random.default_rng(cluster.rank), cluster)


def _batches(rows: Floats, size: int) -> Batches:
    def begin() -> Iterator[Floats]:
        return (rows[start : start + size] for start in range(0, len(rows), size))

    return begin
