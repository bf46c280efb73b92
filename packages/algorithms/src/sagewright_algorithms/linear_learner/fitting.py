"""The epochs: all models take a step on each mini-batch together; it ends early when the best of them no longer gains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.log import Reporter, info
from sagewright_algorithms.common.matrix import Doubles, Floats
from sagewright_algorithms.linear_learner.losses import Loss, class_weights
from sagewright_algorithms.linear_learner.models import Models, settings
from sagewright_algorithms.linear_learner.optimizers import Optimizer

_BLOCK = 1 << 22
"""Scores held at a time."""


@dataclass(frozen=True, slots=True)
class Data:
    """Scaled rows and labels, as the loss wants them."""

    rows: Floats
    labels: Floats

    def blocks(self, scores_per_row: int) -> Iterator[Data]:
        """In order, so many rows at a time that their scores fit."""
        step = max(1, _BLOCK // scores_per_row)
        for start in range(0, len(self.rows), step):
            yield Data(self.rows[start : start + step], self.labels[start : start + step])


def fit(
    wanted: Hyperparameters,
    loss: Loss,
    classes: int,
    train: Data,
    validation: Data | None,
    report: Reporter,
    random: np.random.Generator,
    cluster: Cluster,
) -> Models:
    """All models after the last epoch."""
    chosen = settings(wanted)
    models = Models.started(wanted, train.rows.shape[1], len(chosen), classes, random)
    optimizer = Optimizer(wanted, chosen, models)
    weights = class_weights(wanted, train.labels, cluster.rows(train.labels))
    patience = _Patience(wanted.integer("early_stopping_patience"), wanted.number("early_stopping_tolerance"))
    epochs, since = wanted.integer("epochs"), time.time()
    for epoch in range(epochs):
        losses = _epoch(models, optimizer, loss, train, weights, wanted.integer("mini_batch_size"), random, cluster)
        _report(report, "train", loss, losses, since, epoch)
        if validation is not None:
            losses = mean_losses(models, loss, validation, cluster)
            _report(report, "validation", loss, losses, since, epoch)
        report.progress(epoch + 1, epochs)
        report.throughput(len(train.rows), since)
        since = time.time()
        if patience.is_over(float(np.nanmin(losses, initial=np.inf))) and epoch + 1 < epochs:
            info(f"Early stop condition met. Stopping training after epoch {epoch}.")
            report.progress(epochs, epochs)
            break
    return models


def mean_losses(models: Models, loss: Loss, data: Data, cluster: Cluster) -> Doubles:
    """Of each model over the data of all hosts; NaN for one that diverged."""
    total = np.zeros(models.bias.shape[0])
    for block in data.blocks(models.bias.size):
        total += loss.evaluate(models.scores(block.rows), block.labels)[0].sum(axis=0, dtype=np.float64)
    return cluster.sum(total) / cluster.sum(np.array([len(data.rows)], np.float64))


def _epoch(
    models: Models,
    optimizer: Optimizer,
    loss: Loss,
    data: Data,
    weights: Floats,
    size: int,
    random: np.random.Generator,
    cluster: Cluster,
) -> Doubles:
    """One pass in random order; the mean loss of each model on the way.

    All hosts take their steps together, so those with fewer rows begin anew with theirs.
    """
    order, total = random.permutation(len(data.rows)), np.zeros(models.bias.shape[0])
    if cluster.size > 1:
        order = np.resize(order, round(cluster.maximum(len(order))))
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        rows, labels, share = data.rows[batch], data.labels[batch], weights[batch, None]
        losses, slopes = loss.evaluate(models.scores(rows), labels)
        total += (share * losses).sum(axis=0, dtype=np.float64)
        slopes = (slopes * share[..., None] / np.float32(len(batch))).astype(np.float32)
        flat = rows.T @ slopes.reshape(len(batch), -1)
        flat, offsets = cluster.mean(flat, len(batch)), cluster.mean(slopes.sum(axis=0), len(batch))
        optimizer.step(models, flat.reshape(models.weights.shape), offsets)
    return np.asarray(cluster.sum(total) / cluster.sum(np.array([weights[order].sum()], np.float64)))


class _Patience:
    """Counts the epochs since the last one that gained more than ``tolerance`` of the loss."""

    def __init__(self, patience: int, tolerance: float) -> None:
        self._patience = patience
        self._tolerance = tolerance
        self._best = np.inf
        self._waited = 0

    def is_over(self, loss: float) -> bool:
        gained = self._best == np.inf or self._best - loss > self._tolerance * abs(self._best)
        self._waited = 0 if gained else self._waited + 1
        self._best = min(self._best, loss)
        return self._waited >= self._patience


def _report(report: Reporter, split: str, loss: Loss, losses: Doubles, since: float, epoch: int) -> None:
    for model, value in enumerate(losses.tolist()):
        if np.isfinite(value):
            report.metrics(since, {f"{split}_{loss.objective}": value}, epoch=epoch, model=model)
    report.quality(split, loss.objective, float(np.nanmin(losses, initial=np.inf)), epoch=epoch)
