"""The epochs of a detector: training, mean average precision on the validation channel, the best model kept."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from sagewright_algorithms.common import log
from sagewright_algorithms.common.cluster import Cluster
from sagewright_algorithms.common.data_parallel import DataParallel
from sagewright_algorithms.object_detection import batches, loss
from sagewright_algorithms.object_detection.batches import Batch, Item
from sagewright_algorithms.object_detection.boxes import decode
from sagewright_algorithms.object_detection.network import Detector
from sagewright_algorithms.object_detection.precision import MeanAveragePrecision
from sagewright_algorithms.object_detection.report import EpochReport
from sagewright_algorithms.object_detection.settings import Settings
from sagewright_algorithms.object_detection.suppression import detections
from sagewright_algorithms.vision import optimizers
from sagewright_algorithms.vision.checkpoints import Checkpoints
from sagewright_algorithms.vision.loader import Loader


class Keeper(Protocol):
    """What is told of the epochs."""

    def better(self, precision: float) -> None:
        """The model is better than all before."""

    def passed(self, epochs: int) -> None:
        """So many epochs are done."""


class Training:
    """``host`` names the machine in log lines."""

    def __init__(
        self,
        detector: Detector,
        optimizer: torch.optim.Optimizer,
        settings: Settings,
        checkpoints: Checkpoints,
        host: str,
        cluster: Cluster,
    ) -> None:
        self._detector, self._optimizer, self._settings = detector, optimizer, settings
        self._checkpoints, self._host = checkpoints, host
        self._cluster, self._hosts = cluster, DataParallel(cluster, detector)
        self._device = detector.anchors.device
        self._best = -1.0

    def run(self, train: Loader[Item], validation: Loader[Item], keeper: Keeper) -> None:
        """From the newest checkpoint to the last epoch, or until early stopping. Raises ClientError."""
        first, stops = self._resumed()
        train.lengthen(self._cluster.most(train.batches))
        for epoch in range(first, 0 if stops else self._settings.epochs):
            report = EpochReport(self._host, epoch)
            self._train(epoch, train, report)
            self._hosts.share_buffers()
            report.trained()
            precision = self.precision(validation)
            report.validated(precision)
            if precision > self._best:
                self._best = precision
                keeper.better(precision)
            stopping = self._settings.stopping
            stops = stopping is not None and stopping.should_stop(epoch, precision)
            self._checkpoints.save(epoch + 1, self._state(stops))
            keeper.passed(epoch + 1)
            if stops:
                log.info(f"Early stopping after epoch {epoch}: the best validation mAP is {self._best}")
                return

    def precision(self, loader: Loader[Item]) -> float:
        """Mean average precision over all batches."""
        self._detector.eval()
        found = MeanAveragePrecision(self._settings.overlap)
        for items in loader.epoch(0):
            batch = batches.of(items, self._device)
            for rows, objects in zip(detected(self._detector, batch.images, self._settings.nms), batch.found, strict=True):
                found.add(rows.cpu().numpy(), objects)
        found.gather(self._cluster)
        return found.value()

    def _resumed(self) -> tuple[int, bool]:
        """The epochs that are done, and whether there are to be no more."""
        found = self._checkpoints.newest()
        if found is None:
            return 0, False
        epochs, state = found
        self._detector.load_state_dict(state["detector"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._best = state["best"]
        if self._settings.stopping is not None:
            self._settings.stopping.best, self._settings.stopping.waited = state["stopping"]
        log.info(f"Resuming training from the checkpoint after {epochs} epochs")
        return epochs, bool(state["stopped"])

    def _state(self, stopped: bool) -> dict[str, Any]:
        stopping = self._settings.stopping
        return {
            "detector": self._detector.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "best": self._best,
            "stopping": (stopping.best, stopping.waited) if stopping is not None else (None, 0),
            "stopped": stopped,
        }

    def _train(self, epoch: int, loader: Loader[Item], report: EpochReport) -> None:
        self._detector.train()
        optimizers.set_rate(self._optimizer, self._settings.schedule.in_epoch(epoch))
        for items in loader.epoch(epoch):
            batch = batches.of(items, self._device)
            found = self._step(batch)
            report.after_batch(len(items), found.cross_entropy.item(), found.smooth_l1.item(), found.counted, found.objects)

    def _step(self, batch: Batch) -> loss.Loss:
        self._optimizer.zero_grad()
        logits, offsets = self._detector(batch.images)
        found = loss.of(logits, offsets, self._detector.anchors, batch.objects)
        torch.autograd.backward(found.total)
        self._hosts.share_gradients(len(batch.images))
        self._optimizer.step()
        return found


class AnchoredNetwork(Protocol):
    """Gives logits and offsets for each of its anchors."""

    anchors: Tensor

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """``(N, anchors, 1 + classes)`` and ``(N, anchors, 4)``."""


@torch.inference_mode()
def detected(detector: AnchoredNetwork, images: Tensor, threshold: float) -> list[Tensor]:
    """Rows of class, score and corners for each image, surest first; the detector must be in evaluation mode."""
    logits, offsets = detector(images)
    return detections(logits.softmax(dim=2), decode(detector.anchors, offsets), threshold)
