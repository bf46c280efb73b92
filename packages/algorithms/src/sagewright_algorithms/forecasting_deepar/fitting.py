"""The training loop: windows drawn at random, Adam, the weights of the best epoch."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import torch

from sagewright_algorithms.common import log
from sagewright_algorithms.common.data_parallel import DataParallel
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.common.matrix import Integers
from sagewright_algorithms.forecasting_deepar.network import Network, Tensors
from sagewright_algorithms.forecasting_deepar.settings import Settings
from sagewright_algorithms.forecasting_deepar.windows import Panel

_BATCHES = 10  # an epoch has at least so many: "Small number of time series" (measured on AWS's logs)
_EVERY = 5  # batches between two lines of the log
_LONGEST_STEP = 10.0  # of the gradient, beyond which it is shortened


class Draw:
    """Which windows an epoch has: one or more of each series, cut anywhere."""

    def __init__(self, lengths: Integers, settings: Settings, seed: int = 0) -> None:
        """Series shorter than the prediction are left out (DG:deepar_how-it-works). Raises ClientError when all are."""
        self._usable = np.flatnonzero(lengths >= settings.prediction_length)
        if not len(self._usable):
            raise ClientError(f"all training time series are shorter than prediction_length ({settings.prediction_length})")
        self._last = lengths - settings.prediction_length
        wanted = _BATCHES * settings.mini_batch_size
        self._passes = max(1, math.ceil(wanted / len(self._usable)))
        self._chance = min(1.0, wanted / (len(self._usable) * self._passes)) if self._passes > 1 else 1.0
        self._random = np.random.default_rng(seed)
        self._size = settings.mini_batch_size

    def report(self, skipped: int) -> None:
        """Two lines at most."""
        if skipped:
            log.info(f"{skipped} time series are shorter than prediction_length and are not used for training.")
        if self._passes > 1:
            log.info(
                f"Small number of time series. Doing {self._passes} passes over dataset with prob {self._chance} per epoch."
            )

    @property
    def unused(self) -> int:
        """How many series are too short."""
        return len(self._last) - len(self._usable)

    def batches(self) -> list[tuple[Integers, Integers]]:
        """Series and cuts of each batch of an epoch."""
        often = self._random.binomial(self._passes, self._chance, len(self._usable))
        which = self._random.permutation(np.repeat(self._usable, often))
        cuts = self._random.integers(0, self._last[which] + 1)
        return [
            (which[start : start + self._size], cuts[start : start + self._size]) for start in range(0, len(which), self._size)
        ]


@dataclass(slots=True)
class Best:
    """The epoch of the lowest loss."""

    loss: float = math.inf
    epoch: int = -1
    weights: dict[str, torch.Tensor] | None = None


def fit(job: Job, settings: Settings, network: Network, panel: Panel, device: torch.device) -> None:
    """Leaves the network with the weights of its best epoch. Raises ClientError."""
    draw = Draw(panel.lengths, settings, job.cluster.rank)
    draw.report(draw.unused)
    trainer = Trainer(network, panel, settings.learning_rate, device, DataParallel(job.cluster, network))
    best = Best()
    for epoch in range(settings.epochs):
        loss = _epoch(job, trainer, draw.batches(), epoch, settings.epochs)
        if loss < best.loss:
            log.info("best epoch loss so far")
            best = Best(loss, epoch, {name: weights.clone() for name, weights in network.state_dict().items()})
        else:
            log.info("loss did not improve")
        if settings.patience is not None and epoch - best.epoch >= settings.patience:
            log.info("stopping training now")
            job.report.progress(settings.epochs, settings.epochs)
            break
    if best.weights is None:
        raise ClientError("The training loss is not a number: reduce learning_rate, or look for extreme values in the data")
    network.load_state_dict(best.weights)
    log.info(f"Final loss: {best.loss} (occurred at epoch {best.epoch})")
    job.report.quality("train", "final_loss", best.loss)


class Trainer:
    """One step of Adam for each batch."""

    def __init__(self, network: Network, panel: Panel, rate: float, device: torch.device, hosts: DataParallel) -> None:
        self._network = network.train()
        self._panel = panel
        self._device = device
        self._hosts = hosts
        self._optimizer = torch.optim.Adam(network.parameters(), rate, fused=True)

    def step(self, which: Integers, cuts: Integers) -> float:
        """The loss before."""
        given = Tensors.of(self._panel.windows(which, cuts), self._device)
        self._optimizer.zero_grad()
        loss = self._network(given)
        loss.backward()
        self._hosts.share_gradients(len(which))
        torch.nn.utils.clip_grad_norm_(self._network.parameters(), _LONGEST_STEP)
        self._optimizer.step()
        return float(loss.detach())


def _epoch(job: Job, trainer: Trainer, batches: list[tuple[Integers, Integers]], epoch: int, epochs: int) -> float:
    """The mean loss of all batches."""
    since, losses, examples = time.time(), list[float](), 0
    reported = 0
    for number, (which, cuts) in enumerate(islice(cycle(batches), job.cluster.most(len(batches)))):
        losses.append(trainer.step(which, cuts))
        examples += len(which)
        if number % _EVERY == 0:
            recent = float(np.mean(losses[reported:]))
            _report_batches(job, epoch, number, float(np.mean(losses)), recent, examples / max(time.time() - since, 1e-6))
            reported = len(losses) if number else 0
    loss = float(job.cluster.mean(np.array(losses).mean(keepdims=True), examples)[0]) if losses else math.nan
    log.info(f"processed a total of {examples} examples")
    first = {"epochs": float(epochs)} if epoch == 0 else {}
    job.report.metrics(since, {**first, "update.time": (time.time() - since) * 1000})
    job.report.throughput(examples, since)
    job.report.progress(epoch + 1, epochs)
    job.report.quality("train", "loss", loss, epoch=epoch)
    return loss


def _report_batches(job: Job, epoch: int, number: int, average: float, recent: float, speed: float) -> None:
    """``average`` of the epoch so far, ``recent`` since the last report."""
    log.info(f"Epoch[{epoch}] Batch[{number}] avg_epoch_loss={average:.6f}")
    job.report.quality("train", "loss", recent, epoch=epoch, batch=number)
    if number:
        log.info(f"Epoch[{epoch}] Batch [{number}]\tSpeed: {speed:.2f} samples/sec\tloss={recent:.6f}")
