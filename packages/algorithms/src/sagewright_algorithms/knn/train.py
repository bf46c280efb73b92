"""The k-NN training job: samples, reduces, indexes; /opt/ml in, a faiss index with its labels out (DG:k-nearest-neighbors)."""

from __future__ import annotations

import time

import numpy as np

from sagewright_algorithms.common import log
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.common.matrix import Floats
from sagewright_algorithms.knn.index import CODEWORDS, Flat, Index, Metric, lists
from sagewright_algorithms.knn.neighbours import Model, transformed
from sagewright_algorithms.knn.reduction import projection

_PROBES = 5


def main() -> int:
    """Trains; the exit code."""
    return run("knn", "AWS/KNN", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    wanted = job.hyperparameters
    _check(wanted)
    examples = job.train_examples()
    rows, labels = examples.dense(wanted.integer("feature_dim")), examples.required_labels()
    classifier = wanted.text("predictor_type") == "classifier"
    if classifier and (labels < 0).any():
        raise ClientError("The labels of a classifier must not be negative")
    since = time.time()
    random = np.random.default_rng(0)
    chosen = _sample(len(rows), -(-wanted.integer("sample_size") // job.cluster.size), job.cluster.sampler())
    points, targets = job.cluster.rows(rows[chosen]), job.cluster.rows(labels[chosen])
    if wanted.integer("k") > len(points):
        raise ClientError(f"k={wanted.integer('k')} is larger than the number of sampled training records {len(points)}")
    model = _model(wanted, points, targets, classifier, random)
    job.report.metrics(since, {"model.serialize.time": (time.time() - since) * 1000}, epoch=0)
    job.report.progress(1, 1)
    job.report.throughput(len(rows), since)
    _evaluate(job, model)
    for name, content in model.files().items():
        job.write_model(content, name)


def _check(wanted: Hyperparameters) -> None:
    if wanted.text("index_type") == "faiss.IVFPQ" and wanted.text("index_metric") != "L2":
        raise ClientError(f"index_metric {wanted.text('index_metric')} is not supported for index_type faiss.IVFPQ")
    if wanted.text("index_type") == "faiss.IVFPQ" and not wanted.is_set("faiss_index_pq_m"):
        raise ClientError("'faiss_index_pq_m' is a required property for index_type faiss.IVFPQ")
    if wanted.text("dimension_reduction_type"):
        target, width = wanted.integer("dimension_reduction_target"), wanted.integer("feature_dim")
        if target >= width:
            raise ClientError(f"dimension_reduction_target {target} must be smaller than feature_dim {width}")


def _sample(rows: int, size: int, random: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """In the order of the data."""
    return np.arange(rows) if rows <= size else np.sort(random.choice(rows, size, replace=False))


def _model(wanted: Hyperparameters, rows: Floats, labels: Floats, classifier: bool, random: np.random.Generator) -> Model:
    width, parts = rows.shape[1], _parts(wanted)
    matrix = None
    if wanted.text("dimension_reduction_type"):
        target = wanted.integer("dimension_reduction_target")
        target += -target % (parts or 1)  # raised to a multiple
        matrix = projection(wanted.text("dimension_reduction_type"), width, target, random)
    normalized = wanted.text("index_metric") == "COSINE"
    index = _index(wanted, transformed(rows, normalized, matrix, parts or 1), parts, random)
    classes = np.unique(labels) if classifier else labels[:0]
    return Model(index, labels, wanted.integer("k"), width, normalized, matrix, classes)


def _index(wanted: Hyperparameters, rows: Floats, parts: int | None, random: np.random.Generator) -> Index:
    metric: Metric = "L2" if wanted.text("index_metric") == "L2" else "INNER_PRODUCT"
    if wanted.text("index_type") == "faiss.Flat":
        return Flat(rows, metric)
    number = wanted.integer("faiss_index_ivf_nlists", max(1, int(np.sqrt(len(rows)))))
    least = max(number, CODEWORDS if parts else 1)
    if len(rows) < least:
        raise ClientError(f"{len(rows)} training records are too few: this index needs {least} at least")
    log.info(f"Training {wanted.text('index_type')} with {number} lists on {len(rows)} records")
    return lists(rows, metric, number, _PROBES, parts, random)


def _parts(wanted: Hyperparameters) -> int | None:
    return wanted.integer("faiss_index_pq_m") if wanted.text("index_type") == "faiss.IVFPQ" else None


def _evaluate(job: Job, model: Model) -> None:
    """The metrics of the test channel."""
    examples = job.examples("test")
    if examples is None:
        return
    _, labels = model.nearest(examples.dense(model.feature_dim))
    predicted, expected = job.cluster.rows(model.predict(labels)), job.cluster.rows(examples.required_labels())
    if not model.classifier:
        error = float(np.square(predicted - expected, dtype=np.float64).mean())
        job.report.quality("test", "mse", error)
        job.report.test_score("mse", error)
        return
    values = {"accuracy": float((predicted == expected).mean()), "macro_f_1.000": macro_f1(expected, predicted)}
    for name, value in values.items():
        job.report.quality("test", name, value, score=True)
        job.report.test_score(name, value)


def macro_f1(expected: Floats, predicted: Floats) -> float:
    """The mean F1 over the classes that occur."""
    found = []
    for label in np.unique(np.concatenate([expected, predicted])):
        hits = float(((predicted == label) & (expected == label)).sum())
        found.append(2 * hits / ((predicted == label).sum() + (expected == label).sum()))
    return float(np.mean(found))
