"""Training: epochs over the images, the losses of validation after each, the best weights kept."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass

import torch

from sagewright_algorithms.common import accelerator
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.jumpstart import log
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.object_detection import batches, loss
from sagewright_algorithms.object_detection.augmentation import maybe_mirrored
from sagewright_algorithms.object_detection.batches import Item
from sagewright_algorithms.object_detection_tf import artifact, marked_images, settings
from sagewright_algorithms.object_detection_tf.artifact import Info
from sagewright_algorithms.object_detection_tf.forms import form
from sagewright_algorithms.object_detection_tf.network import PyramidDetector
from sagewright_algorithms.object_detection_tf.settings import Settings
from sagewright_algorithms.vision import described_weights, keras_optimizers, tensors
from sagewright_algorithms.vision.loader import Loader

_VALIDATION_SHARE, _SEED = 0.2, 123
_TOP = ("classes.", "offsets.")


def fit(job: Job) -> None:
    """Raises ClientError."""
    wanted = settings.read(job.hyperparameters)
    images = marked_images.read(job.training())
    train, validation = images.divided(_VALIDATION_SHARE, _SEED)
    log.info(f"{len(train)} images for training, {len(validation)} for validation, {len(images.categories)} categories")
    device = accelerator.prepare(_SEED)
    torch.backends.cudnn.deterministic = True
    detector = tensors.placed(_started(job, wanted, images.categories), device)
    optimizer = keras_optimizers.build(job.hyperparameters, detector)
    side = detector.form.side
    with (
        batches.training(train, side, wanted.batch, maybe_mirrored, recoloured=False) as shuffled,
        batches.validation(validation, side, wanted.batch) as ordered,
    ):
        weights = Training(wanted, detector, optimizer).run(shuffled, ordered)
    artifact.write(job.artifact, weights, Info(job.model.id, images.categories))


def _started(job: Job, wanted: Settings, categories: tuple[marked_images.Category, ...]) -> PyramidDetector:
    """The network with random weights, or with those of the model channel. Raises ClientError."""
    detector = PyramidDetector(form(job.model.id), len(categories))
    if wanted.only_top:
        detector.requires_grad_(False)
        for part in detector.top():
            part.requires_grad_(True)
    folder = job.pretrained()
    if folder is None or not described_weights.is_trained(folder):
        log.warning("No pretrained weights come with this installation: training starts from random weights")
        return detector
    try:
        before, weights = artifact.read_info(folder), described_weights.read_weights(folder)
    except (OSError, ValueError) as error:
        raise ClientError(f"The model of the model channel cannot be used: {error}") from error
    _check_same(before, Info(job.model.id, categories), wanted.reinitialize)
    if wanted.reinitialize == "True":
        weights = {name: value for name, value in weights.items() if not name.startswith(_TOP)}
    try:
        detector.load_state_dict(weights, strict=wanted.reinitialize != "True")
    except RuntimeError as error:
        raise ClientError(f"The model of the model channel cannot be used: {error}") from error
    log.info("Incremental training: the weights of the model channel are taken")
    return detector


def _check_same(before: Info, now: Info, reinitialize: str) -> None:
    if before.model_id != now.model_id:
        raise ClientError(f"The model of the model channel is {before.model_id}, not {now.model_id}")
    if reinitialize != "True" and before.categories != now.categories:
        raise ClientError(
            f"Incremental training needs the categories of the model, {list(before.categories)}, not {list(now.categories)} "
            "(reinitialize_top_layer=True starts a new top layer)"
        )


@dataclass(frozen=True, slots=True)
class Training:
    """One network's."""

    wanted: Settings
    detector: PyramidDetector
    optimizer: torch.optim.Optimizer

    def run(self, train: Loader[Item], validation: Loader[Item]) -> dict[str, torch.Tensor]:
        """The weights of the epoch with the lowest losses in validation."""
        best, waited, kept = float("inf"), 0, self.detector.state_dict()
        for epoch in range(self.wanted.epochs):
            started, total, seen = time.monotonic(), 0.0, 0
            self._train_mode()
            for items in train.epoch(epoch):
                total += self._step(items) * len(items)
                seen += len(items)
            speed = seen / max(time.monotonic() - started, 1e-6)
            print(f"[Epoch {epoch}], Speed: {speed:.3f} samples/sec, loss={total / max(seen, 1):.6f}.", flush=True)
            localization, classification = self._validate(validation)
            # Fixed digits: AWS's regex [0-9\.]+ would cut an exponent off.
            print(f"[Epoch {epoch}], Val_localization={localization:.6f}, Val_classification={classification:.6f}", flush=True)
            gained = best - (localization + classification)
            waited = 0 if gained > self.wanted.min_delta else waited + 1
            if gained > 0:
                best, kept = localization + classification, deepcopy(self.detector.state_dict())
            if self.wanted.patience and waited >= self.wanted.patience:
                log.info(f"Early stopping after epoch {epoch}")
                break
        return kept

    def _train_mode(self) -> None:
        """A body that is not trained does not count the batches that pass either."""
        self.detector.train(not self.wanted.only_top)

    def _step(self, items: list[Item]) -> float:
        found = self._losses(items)
        self.optimizer.zero_grad()
        torch.autograd.backward(found.total)
        self.optimizer.step()
        return float(found.total.item())

    @torch.inference_mode()
    def _validate(self, loader: Loader[Item]) -> tuple[float, float]:
        """Mean losses: of the boxes, of the classes."""
        self.detector.eval()
        boxes = classes = 0.0
        for items in loader.epoch(0):
            found = self._losses(items)
            boxes += found.smooth_l1.item() * len(items)
            classes += found.cross_entropy.item() * len(items)
        return boxes / loader.examples, classes / loader.examples

    def _losses(self, items: list[Item]) -> loss.Loss:
        batch = batches.of(items, self.detector.anchors.device)
        logits, offsets = self.detector(batch.images)
        return loss.of(logits, offsets, self.detector.anchors, batch.objects)
