"""An epoch of a segmenter: training, mean IOU and pixel accuracy on the validation channel."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from sagewright_algorithms.common import log
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.semantic_segmentation import batches
from sagewright_algorithms.semantic_segmentation.batches import Item
from sagewright_algorithms.semantic_segmentation.label_map import IGNORED
from sagewright_algorithms.semantic_segmentation.metrics import Confusion
from sagewright_algorithms.semantic_segmentation.network import Segmenter
from sagewright_algorithms.semantic_segmentation.settings import Settings
from sagewright_algorithms.vision import optimizers
from sagewright_algorithms.vision.loader import Loader
from sagewright_algorithms.vision.optimizers import Choice

_AUXILIARY_WEIGHT = 0.5  # of the loss on the features in between, as GluonCV's training has it


def choice(given: Hyperparameters) -> Choice:
    """Weight decay and momentum count for sgd only (DG:segmentation-hyperparameters)."""
    return Choice(
        given.text("optimizer"),
        given.number("learning_rate"),
        given.number("momentum"),
        given.number("weight_decay"),
        gamma=given.number("gamma1"),
        gamma2=given.number("gamma2"),
        decayed=("sgd",),
    )


class Training:
    """For vision.epochs."""

    def __init__(
        self,
        segmenter: Segmenter,
        optimizer: torch.optim.Optimizer,
        settings: Settings,
        device: torch.device,
        train: Loader[Item],
        validation: Loader[Item],
    ) -> None:
        self._segmenter, self._optimizer, self._settings, self._device = segmenter, optimizer, settings, device
        self._train_batches, self._validation_batches = train, validation

    def epoch(self, number: int) -> float:
        """See vision.epochs: mean IOU."""
        self._train(self._train_batches, number)
        return self._validate(self._validation_batches, number)

    def state(self) -> dict[str, Any]:
        """See vision.epochs."""
        return {
            "segmenter": self._segmenter.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "random": torch.get_rng_state(),  # of the dropouts
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """See vision.epochs."""
        self._segmenter.load_state_dict(state["segmenter"])
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])

    def _train(self, loader: Loader[Item], epoch: int) -> None:
        self._segmenter.train()
        since, total, seen = time.monotonic(), 0.0, 0
        for number, items in enumerate(loader.epoch(epoch)):
            optimizers.set_rate(self._optimizer, self._settings.schedule.at_point(epoch + number / loader.batches))
            images, labels = batches.of(items, self._device)
            total += self._step(images, labels) * len(items)
            seen += len(items)
        log.info(f"Epoch: {epoch} train loss: {total / max(seen, 1)}")
        log.info(f"Epoch: {epoch} train throughput: {seen / max(time.monotonic() - since, 1e-6)} samples/second")

    def _step(self, images: Tensor, labels: Tensor) -> float:
        self._optimizer.zero_grad()
        scores, between = self._segmenter.both(images)
        loss = _loss(scores, labels) + _AUXILIARY_WEIGHT * _loss(between, labels)
        torch.autograd.backward(loss)
        self._optimizer.step()
        return float(loss.item())

    @torch.inference_mode()
    def _validate(self, loader: Loader[Item], epoch: int) -> float:
        self._segmenter.eval()
        found, since, seen = Confusion(self._segmenter.architecture.num_classes), time.monotonic(), 0
        for items in loader.epoch(0):
            images, labels = batches.of(items, self._device)
            found.add(self._segmenter(images).argmax(dim=1), labels)
            seen += len(items)
        score = found.mean_iou()
        log.info(f"Epoch: {epoch} validation mIOU: {score} pixel_accuracy: {found.pixel_accuracy()}")
        log.info(f"Epoch: {epoch} validation throughput: {seen / max(time.monotonic() - since, 1e-6)} samples/second")
        return score


def _loss(scores: Tensor, labels: Tensor) -> Tensor:
    """The mean over the pixels that belong to a class; 0 when none does."""
    total = functional.cross_entropy(scores, labels, ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum().clamp(min=1)
