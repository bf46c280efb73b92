"""The Factorization Machines training job: /opt/ml in, ``model_algo-1`` out (DG:fact-machines)."""

from __future__ import annotations

import time

import numpy as np
from scipy.sparse import csr_matrix

from sagewright_algorithms.common.averaging import Averaging
from sagewright_algorithms.common.channels import Examples
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.common.matrix import Floats, WrongWidthError
from sagewright_algorithms.factorization_machines.artifact import FittedMachine
from sagewright_algorithms.factorization_machines.machine import Machine, Trainer, sparse

_PUBLISH_INTERVAL = 500
_F1 = "binary_f_1.000"
Metrics = dict[str, tuple[float, bool]]
"""By name: the value, and whether more is better."""


def main() -> int:
    """Trains; the exit code."""
    return run("factorization-machines", "factorization-machines", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    wanted = job.hyperparameters
    width, classifier = wanted.integer("feature_dim"), wanted.text("predictor_type") == "binary_classifier"
    rows, labels = _data(job.train_examples(), width, classifier)
    random = np.random.default_rng(0)
    machine = Machine.started(wanted, random)
    trainer, epochs = Trainer(wanted, machine), wanted.integer("epochs")
    averaging = Averaging(job.cluster, (machine.bias, machine.linear, machine.factors))
    with np.errstate(over="ignore", invalid="ignore"):  # learning rates that are too high are found below
        for epoch in range(epochs):
            _epoch(job, machine, trainer, averaging, rows, labels, epoch, random)
            job.report.progress(epoch + 1, epochs)
        found = metrics(job.cluster.rows(machine.scores(rows)), job.cluster.rows(labels), classifier)
    if not np.isfinite(machine.factors).all() or not np.isfinite(machine.linear).all():
        raise ClientError("The model diverged: its parameters are not numbers any more. Lower bias_lr, linear_lr or factors_lr")
    _report(job, "train", found)
    _evaluate(job, machine, classifier)
    job.write_model(FittedMachine(machine, classifier).dump())


def _data(examples: Examples, width: int, classifier: bool) -> tuple[csr_matrix, Floats]:
    labels = examples.required_labels()
    if classifier and not np.isin(labels, (0, 1)).all():
        raise ClientError("Labels of a binary_classifier must be 0 or 1")
    try:
        return sparse(examples.rows, width), labels
    except WrongWidthError as error:
        raise ClientError(str(error)) from error


def _epoch(
    job: Job,
    machine: Machine,
    trainer: Trainer,
    averaging: Averaging,
    rows: csr_matrix,
    labels: Floats,
    epoch: int,
    random: np.random.Generator,
) -> None:
    """One pass in random order; metrics of every 500th batch and of the whole."""
    classifier = job.hyperparameters.text("predictor_type") == "binary_classifier"
    size, since = job.hyperparameters.integer("mini_batch_size"), time.time()
    order, scores = random.permutation(len(labels)), np.empty(len(labels), np.float32)
    meetings = averaging.points(-(-len(order) // size))
    for number, start in enumerate(range(0, len(order), size)):
        batch = order[start : start + size]
        found = machine.scores(rows[batch])
        scores[batch] = found
        if number % _PUBLISH_INTERVAL == 0:
            _report(job, "train", metrics(found, labels[batch], classifier), epoch=epoch, batch=number)
        trainer.step(rows[batch], (probabilities(found) if classifier else found) - labels[batch])
        if number in meetings:
            averaging.meet()
    found_metrics = metrics(scores, labels, classifier)
    job.report.metrics(since, {"update.time": (time.time() - since) * 1000}, epoch=epoch)
    _report(job, "train", found_metrics, epoch=epoch)
    job.report.throughput(len(labels), since)


def metrics(scores: Floats, labels: Floats, classifier: bool) -> Metrics:
    """Of log odds, or of predicted targets."""
    if not classifier:
        errors = scores.astype(np.float64) - labels
        mse = float(np.square(errors).mean())
        return {"rmse": (mse**0.5, False), "mse": (mse, False), "absolute_loss": (float(np.abs(errors).mean()), False)}
    called, positive = scores >= 0, labels == 1
    below = called.sum() + positive.sum()
    entropy = float((np.logaddexp(0, scores.astype(np.float64)) - labels * scores).mean())
    return {
        "binary_classification_accuracy": (float((called == positive).mean()), True),
        "binary_classification_cross_entropy": (entropy, False),
        _F1: (float(2 * (called & positive).sum() / below) if below else 0.0, True),
    }


def probabilities(scores: Floats) -> Floats:
    """From log odds, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0, -scores)), np.float32)


def _report(job: Job, split: str, found: Metrics, **where: int) -> None:
    for name, (value, score) in found.items():
        job.report.quality(split, name, value, score=score, **where)


def _evaluate(job: Job, machine: Machine, classifier: bool) -> None:
    """The metrics of the test channel."""
    examples = job.examples("test")
    if examples is None:
        return
    rows, labels = _data(examples, len(machine.linear), classifier)
    found = metrics(job.cluster.rows(machine.scores(rows)), job.cluster.rows(labels), classifier)
    _report(job, "test", found)
    for name, (value, _) in found.items():
        job.report.test_score(name, value)
