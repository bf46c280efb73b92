"""Training as Keras does it: epochs over the images, metrics of validation after each, the best weights kept."""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from sagewright_algorithms.common import accelerator
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.image_classification_tf import artifact, augmentation, folders, settings
from sagewright_algorithms.image_classification_tf.artifact import Info
from sagewright_algorithms.image_classification_tf.augmentation import Matrix
from sagewright_algorithms.image_classification_tf.folders import Images
from sagewright_algorithms.image_classification_tf.metrics import Epoch
from sagewright_algorithms.image_classification_tf.network import Architecture, Network, architecture
from sagewright_algorithms.image_classification_tf.resampling import resized
from sagewright_algorithms.image_classification_tf.settings import Settings
from sagewright_algorithms.jumpstart import log
from sagewright_algorithms.jumpstart.job import Job
from sagewright_algorithms.vision import described_weights, keras_optimizers, tensors
from sagewright_algorithms.vision.image import Pixels, decode_file
from sagewright_algorithms.vision.loader import Loader


def fit(job: Job) -> None:
    """Raises ClientError."""
    wanted = settings.read(job.hyperparameters)
    train, validation = _images(job, wanted)
    if wanted.binary and len(train.classes) != 2:
        raise ClientError(f"binary_mode needs two classes, the training channel has {len(train.classes)}")
    device = accelerator.prepare(wanted.seed)
    torch.backends.cudnn.deterministic = True
    network, info = _started(job, wanted, train.classes)
    training = Training(wanted, architecture(job.model.id), tensors.placed(network, device), device)
    training.run(train, validation, keras_optimizers.build(job.hyperparameters, network))
    artifact.write(job.artifact, network, info)


def _images(job: Job, wanted: Settings) -> tuple[Images, Images | None]:
    train = folders.read(job.training())
    log.info(f"Found {len(train)} files belonging to {len(train.classes)} classes.")
    channel = job.folder("validation")
    if channel is not None:
        return train, folders.read(channel, train.classes)
    train, validation = folders.divided(train, wanted.split, wanted.seed)
    log.info(f"Using {len(train)} files for training and {len(validation) if validation else 0} files for validation.")
    return train, validation


def _started(job: Job, wanted: Settings, classes: tuple[str, ...]) -> tuple[Network, Info]:
    """The network with random weights, or with those of the model channel. Raises ClientError."""
    info = Info(job.model.id, classes, wanted.binary, wanted.interpolation)
    network = Network(architecture(job.model.id), info.outputs, wanted.dropout, only_top=wanted.only_top)
    folder = job.pretrained()
    if folder is None or not described_weights.is_trained(folder):
        log.warning("No pretrained weights come with this installation: training starts from random weights")
        return network, info
    try:
        before, weights = artifact.read_info(folder), described_weights.read_weights(folder)
    except (OSError, ValueError) as error:
        raise ClientError(f"The model of the model channel cannot be used: {error}") from error
    if before.model_id != info.model_id:
        raise ClientError(f"The model of the model channel is {before.model_id}, not {info.model_id}")
    if wanted.reinitialize == "True":
        weights = {name: value for name, value in weights.items() if name.startswith("body.")}
    elif (before.classes, before.binary) != (info.classes, info.binary):
        raise ClientError(
            f"Incremental training needs the classes of the model, {list(before.classes)}, not {list(classes)} "
            "(reinitialize_top_layer=True starts a new top layer)"
        )
    try:
        network.load_state_dict(weights, strict=wanted.reinitialize != "True")
    except RuntimeError as error:
        raise ClientError(f"The model of the model channel cannot be used: {error}") from error
    log.info("Incremental training: the weights of the model channel are taken")
    return network, info


@dataclass(frozen=True, slots=True)
class Prepared:
    """``matrix``: how the device is to turn and zoom the image."""

    image: Pixels
    label: int
    matrix: Matrix | None


class Training:
    """One network's."""

    def __init__(self, wanted: Settings, shape: Architecture, network: Network, device: torch.device) -> None:
        self._wanted, self._side, self._network, self._device = wanted, shape.side, network, device

    def run(self, train: Images, validation: Images | None, optimizer: torch.optim.Optimizer) -> None:
        """The network is that of the best epoch in the end."""
        monitor, best, waited, kept = f"val_{self._wanted.monitor}", -1.0, 0, None
        log.info(f"Setting the evaluation metric to {monitor}")
        with self._loader(train, True) as batches, self._loader(validation or train, False) as checks:
            for epoch in range(self._wanted.epochs):
                started = time.monotonic()
                print(f"Epoch {epoch + 1}/{self._wanted.epochs}", flush=True)
                found = self._trained(batches, epoch, optimizer)
                if validation is not None:
                    found |= {f"val_{name}": value for name, value in self._validated(checks, epoch).items()}
                _report(found, batches.batches, time.monotonic() - started)
                if validation is None:
                    continue
                gained = found[monitor] - best
                waited = 0 if best < 0 or gained > self._wanted.min_delta else waited + 1
                if gained > 0:
                    best, kept = found[monitor], deepcopy(self._network.state_dict())
                if self._wanted.patience and waited >= self._wanted.patience:
                    print(f"Epoch {epoch + 1}: early stopping", flush=True)
                    break
        if kept is not None:
            self._network.load_state_dict(kept)
        log.info(f"Saving the model with the highest {monitor} for running inference or incremental training.")

    def _loader(self, images: Images, training: bool) -> Loader[Prepared]:
        wanted = self._wanted.augmentation if training else None

        def prepared(number: int, random: np.random.Generator) -> Prepared:
            path = images.paths[number]
            picture = decode_file(path.read_bytes(), images.name(number), self._side)
            pixels = resized(picture, self._side, self._wanted.interpolation)
            matrix = None if wanted is None else augmentation.drawn(wanted, random)
            return Prepared(pixels, images.labels[number], matrix)

        return Loader(prepared, len(images), self._wanted.batch, shuffle=training, seed=self._wanted.seed)

    def _trained(self, batches: Loader[Prepared], epoch: int, optimizer: torch.optim.Optimizer) -> dict[str, float]:
        metrics = Epoch()
        self._network.train()
        for batch in batches.epoch(epoch):
            images, targets = self._moved(batch)
            logits = self._network(images)
            loss = self._loss(logits, targets)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            metrics.add(logits, targets, loss)
        return metrics.values()

    @torch.inference_mode()
    def _validated(self, checks: Loader[Prepared], epoch: int) -> dict[str, float]:
        metrics = Epoch()
        self._network.eval()
        for batch in checks.epoch(epoch):
            images, targets = self._moved(batch)
            logits = self._network(images)
            metrics.add(logits, targets, self._loss(logits, targets))
        return metrics.values()

    def _moved(self, batch: list[Prepared]) -> tuple[torch.Tensor, torch.Tensor]:
        images = tensors.of_pixels([item.image for item in batch], self._device)
        matrices = [item.matrix for item in batch if item.matrix is not None]
        if matrices:
            images = augmentation.applied(images, matrices)
        return images, tensors.of_targets([item.label for item in batch], self._device)

    def _loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross entropy with smoothed labels, and the penalty of the top layer."""
        smoothing = self._wanted.smoothing
        if self._wanted.binary:
            smooth = targets.float() * (1 - smoothing) + smoothing / 2
            loss = functional.binary_cross_entropy_with_logits(logits[:, 0], smooth)
        else:
            loss = functional.cross_entropy(logits, targets, label_smoothing=smoothing)
        return loss + self._wanted.l2 * self._network.top.weight.square().sum()


def _report(found: dict[str, float], steps: int, seconds: float) -> None:
    """Keras' line of an epoch: ``42/42 - 5s - loss: 0.3421 - accuracy: 0.9010 - val_loss: … - val_accuracy: 0.9333``."""
    values = "".join(f" - {name}: {value:.4f}" for name, value in found.items())
    print(f"{steps}/{steps} - {seconds:.0f}s{values} - {seconds:.0f}s/epoch - {1000 * seconds / steps:.0f}ms/step", flush=True)
