"""The Random Cut Forest training job: /opt/ml in, ``model_algo-1`` out; scores a labelled test channel (DG:randomcutforest)."""

from __future__ import annotations

import time

import numpy as np

from sagewright_algorithms.common import log, ndarray_file
from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.common.matrix import Doubles, Floats
from sagewright_algorithms.randomcutforest.forest import Forest, grow

_DEVIATIONS = 3
_SMALLEST_SAMPLE = 64
"""A tree of a handful of points says little: below this, trees share rows instead of dividing them."""


def main() -> int:
    """Trains; the exit code."""
    return run("randomcutforest", "RandomCutForest", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    wanted = job.hyperparameters
    log.info("Verifying hyperparamemters...")
    width = wanted.integer("feature_dim")
    rows = job.train_examples().dense(width)
    log.info("Hyperparameters are correct.")
    log.info("Validating that feature_dim agrees with dimensions in training data...")
    log.info("feature_dim is correct.")
    trees = wanted.integer("num_trees")
    records = round(float(job.cluster.sum(np.array([len(rows)], np.float64))[0]))
    sample = sample_size(records, trees, wanted.integer("num_samples_per_tree"))
    log.info("Validating memory limits...")
    log.info("Memory limits validated.")
    since = time.time()
    random = np.random.default_rng(0)
    forest = grow(job.cluster.rows(_share(rows, trees * sample, job.cluster)), trees, sample, random)
    log.info(
        f"ForestInfo{{num_trees: {trees}, num_samples_in_forest: {trees * sample}, num_samples_per_tree: {sample}, sample_dim: {width}}}"
    )
    job.report.metrics(since, {"initialize.time": (time.time() - since) * 1000}, epoch=0)
    job.report.progress(1, 1)
    job.report.throughput(len(rows), since)
    _evaluate(job, forest)
    job.write_model(ndarray_file.dump(forest.arrays()))


def _share(rows: Floats, points: int, cluster: Cluster) -> Floats:
    """What a host gives of its rows to a forest of so many points."""
    given = -(-points // cluster.size)
    return rows if cluster.size == 1 or len(rows) <= given else rows[cluster.sampler().choice(len(rows), given, replace=False)]


def sample_size(rows: int, trees: int, wanted: int) -> int:
    """Rows are split between the trees (4032 rows, 50 trees: 80 each), as long as that leaves enough for each."""
    return min(wanted, rows, max(rows // trees, _SMALLEST_SAMPLE))


def _evaluate(job: Job, forest: Forest) -> None:
    """The metrics of the test channel, whose labels are 1 for an anomaly."""
    examples = job.examples("test")
    if examples is None:
        return
    labels = job.cluster.rows(examples.required_labels()) != 0
    values = quality(labels, job.cluster.rows(forest.scores(examples.dense(forest.feature_dim))))
    wanted = job.hyperparameters.listed("eval_metrics")
    names = (["accuracy"] if "accuracy" in wanted else []) + (
        ["precision", "recall", "f1"] if len(wanted) > 1 or "accuracy" not in wanted else []
    )
    for name in names:
        job.report.quality("test", name, values[name], score=True)
        job.report.test_score(name, values[name])


def quality(labels: np.ndarray[tuple[int], np.dtype[np.bool_]], scores: Doubles) -> dict[str, float]:
    """Of calling anomalous what scores more than three standard deviations above the mean."""
    called = scores > scores.mean() + _DEVIATIONS * scores.std()
    hits = float((called & labels).sum())
    precision = hits / called.sum() if called.any() else 0.0
    recall = hits / labels.sum() if labels.any() else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    accuracy = float((called == labels).mean())
    return {"accuracy": accuracy, "precision": float(precision), "recall": float(recall), "f1": float(f1)}
