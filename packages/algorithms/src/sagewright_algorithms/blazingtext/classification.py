"""Supervised mode: a text classifier, ``model.bin`` (DG:blazingtext_hyperparameters)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sagewright_algorithms.blazingtext.accuracy import Accuracy, measured
from sagewright_algorithms.blazingtext.console import Console
from sagewright_algorithms.blazingtext.epochs import Epochs
from sagewright_algorithms.blazingtext.library import Model, arguments, threads_for
from sagewright_algorithms.common import log
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.common.matrix import Floats

MODEL = "model.bin"


def train(job: Job, text: Path, validation: Path | None, scratch: Path) -> None:
    """Raises ClientError."""
    wanted, since, model = job.hyperparameters, time.time(), Model()
    validated = validation if wanted.flag("early_stopping") else None
    threads = 1 if validated else threads_for(text.stat().st_size, wanted.integer("epochs"))
    with Console(threads) as console:
        if validated is None:
            model.train(arguments(wanted, text, threads))
        else:
            _train_with_early_stopping(model, wanted, (text, validated), scratch, console)
    log.plain("Training finished!")
    log.plain(f"Average throughput in Million words/sec: {console.rate:.2f}")
    log.plain(f"Total training time in seconds: {time.time() - since:.2f}")
    processes = 1 if threads == 1 else len(os.sched_getaffinity(0))
    _report("train", measured(model, text, scratch, processes))
    if validation is not None:
        _report("validation", measured(model, validation, scratch, processes))
    model.save(job.layout.model / MODEL)


@dataclass(slots=True)
class Patience:
    """When to stop: no better for ``patience`` epochs, but not before ``first``."""

    first: int
    patience: int
    best: float = -1.0
    best_epoch: int = 0
    weights: tuple[Floats, Floats] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, wanted: Hyperparameters) -> Patience:
        """From AWS's hyperparameters."""
        return cls(wanted.integer("min_epochs"), wanted.integer("patience"))

    def exhausted(self, model: Model, epoch: int, accuracy: float) -> bool:
        """After an epoch (from 1); keeps a copy of the best model's weights."""
        log.plain(f"Validation accuracy: {accuracy:g}")
        if accuracy > self.best:
            log.plain("Validation accuracy improved! Storing best weights...")
            self.best, self.best_epoch = accuracy, epoch
            self._keep(model.matrices())
            return False
        log.plain(f"Validation accuracy has not improved for last {epoch - self.best_epoch} epochs.")
        return epoch - self.best_epoch >= self.patience

    def restore(self, model: Model, epoch: int) -> None:
        """Gives the model, which is that of ``epoch``, its best weights back."""
        if self.weights is not None and self.best_epoch < epoch:
            for place, best in zip(model.matrices(), self.weights, strict=True):
                place[:] = best
        if self.weights is not None:
            log.plain(f"Best epoch: {self.best_epoch}\nBest validation accuracy: {self.best:g}")

    def _keep(self, matrices: tuple[Floats, Floats]) -> None:
        """Into the same memory each time: fresh pages would cost more than the copy."""
        if self.weights is None:
            self.weights = np.empty_like(matrices[0]), np.empty_like(matrices[1])
        for place, best in zip(self.weights, matrices, strict=True):
            place[:] = best


def _train_with_early_stopping(
    model: Model, wanted: Hyperparameters, texts: tuple[Path, Path], scratch: Path, console: Console
) -> None:
    """fastText's schedule for all epochs, cut off where validation says so; the model is that of the best epoch."""
    text, validation = texts
    patience, count, epoch = Patience.of(wanted), wanted.integer("epochs"), 0
    with Epochs(model, arguments(wanted, text, 1), text, scratch) as epochs:
        for epoch in range(1, count + 1):
            epochs.next()
            log.plain(f"-------------- End of epoch: {epoch}")
            if epoch >= patience.first and patience.exhausted(model, epoch, measured(model, validation, scratch).share):
                log.plain("Reached patience. Terminating training.")
                console.mute()
                break
    patience.restore(model, epoch)


def _report(name: str, found: Accuracy) -> None:
    if not found.lines:
        raise ClientError(f"No line of the channel {name} has a label and a word that the model knows")
    log.plain(f"#{name}_accuracy: {found.share:.4f}")
    log.plain(f"Number of {name} examples: {found.lines}\n")
