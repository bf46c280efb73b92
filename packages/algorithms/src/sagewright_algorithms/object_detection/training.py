"""An epoch of a detector: training, mean average precision on the validation channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

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
from sagewright_algorithms.vision.loader import Loader


class Training:
    """For vision.epochs; ``host`` names the machine in log lines."""

    def __init__(
        self,
        detector: Detector,
        optimizer: torch.optim.Optimizer,
        settings: Settings,
        host: str,
        cluster: Cluster,
        train: Loader[Item],
        validation: Loader[Item],
    ) -> None:
        self._detector, self._optimizer, self._settings = detector, optimizer, settings
        self._host, self._cluster, self._hosts = host, cluster, DataParallel(cluster, detector)
        self._device = detector.anchors.device
        self._train_batches, self._validation_batches = train, validation
        train.lengthen(cluster.most(train.batches))

    def epoch(self, number: int) -> float:
        """See vision.epochs: mean average precision."""
        report = EpochReport(self._host, number)
        self._train(number, self._train_batches, report)
        self._hosts.share_buffers()
        report.trained()
        precision = self.precision(self._validation_batches)
        report.validated(precision)
        return precision

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

    def state(self) -> dict[str, Any]:
        """See vision.epochs."""
        return {"detector": self._detector.state_dict(), "optimizer": self._optimizer.state_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See vision.epochs."""
        self._detector.load_state_dict(state["detector"])
        self._optimizer.load_state_dict(state["optimizer"])

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
