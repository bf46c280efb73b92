"""Training: epochs over the train channel, validation after each, the best parameters (or those of every n epochs) kept."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any

import torch
from torch.nn import functional

from sagewright_algorithms.common import accelerator, log
from sagewright_algorithms.common.data_parallel import DataParallel
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.image_classification import artifact, examples, network
from sagewright_algorithms.image_classification.examples import Examples, Prepared
from sagewright_algorithms.image_classification.keeping import Keeper
from sagewright_algorithms.image_classification.metrics import Counts
from sagewright_algorithms.image_classification.settings import Settings
from sagewright_algorithms.vision import given_model, optimizers, pretrained, tensors
from sagewright_algorithms.vision.checkpoints import Checkpoints
from sagewright_algorithms.vision.early_stopping import EarlyStopping
from sagewright_algorithms.vision.loader import Loader
from sagewright_algorithms.vision.resnet import Classifier, ResNet, plan
from sagewright_algorithms.vision.schedule import stepped
from sagewright_algorithms.vision.speedometer import Speedometer


def train(job: Job, settings: Settings) -> None:
    """Raises ClientError."""
    training = examples.read(job, settings, "train", training=True)
    validation = examples.read(job, settings, "validation", training=False)
    if len(training) < settings.batch:
        raise ClientError("The number of input images must be bigger or equal to the mini_batch_size.")
    settings.report(job.hyperparameters)
    if len(training) != settings.samples:
        log.info(f"num_training_samples is {settings.samples}, but the train channel has {len(training)} images: all are used")
    device = accelerator.prepare()
    torch.backends.cudnn.deterministic = True
    model = tensors.placed(_started(job, settings), device)
    Training(job, settings, model, device, training).run(validation)


def _started(job: Job, settings: Settings) -> Classifier:
    """The network, from random parameters or those of the model channel."""
    model = Classifier(ResNet(plan(settings.layers, settings.shape[1]), settings.shape[0]), settings.classes)
    if "model" not in job.channels:
        pretrained.check(job, f"a residual network of {settings.layers} layers")
        return model
    files = given_model.read(job.layout.channel("model"))
    try:
        given = artifact.given_parameters(files)
        if artifact.SHAPES in files and artifact.shape(files) != settings.shape and not settings.pretrained:
            raise ValueError(f"its image_shape is {','.join(map(str, artifact.shape(files)))}")
        network.load(model, given, without_classifier=settings.pretrained)
    except ValueError as error:  # MalformedModelError, MismatchError
        raise ClientError(
            f"The model of the model channel cannot be used: num_layers, image_shape and num_classes must be the same ({error})"
        ) from error
    log.info("Using the model of the model channel for initializing weights.")
    return model


class Training:
    """One job's state."""

    def __init__(self, job: Job, settings: Settings, model: Classifier, device: torch.device, training: Examples) -> None:
        self._settings, self._model, self._device, self._training = settings, model, device, training
        wanted = job.hyperparameters
        self._rate, self._factor = wanted.number("learning_rate"), wanted.number("lr_scheduler_factor")
        self._optimizer = optimizers.build(
            optimizers.Choice(
                wanted.text("optimizer"),
                self._rate,
                wanted.number("momentum"),
                wanted.number("weight_decay"),
                wanted.number("beta_1"),
                wanted.number("beta_2"),
                wanted.number("eps"),
                wanted.number("gamma"),
            ),
            model,
        )
        self._scaler = torch.amp.GradScaler(device.type, enabled=settings.half and device.type == "cuda")
        self._stopping = EarlyStopping(
            wanted.integer("early_stopping_min_epochs"),
            wanted.integer("early_stopping_patience"),
            wanted.number("early_stopping_tolerance"),
        )
        self._may_stop = wanted.flag("early_stopping")
        weights = training.labels.positive_weights(training.source, job.cluster) if settings.weighted else None
        self._positive_weights = None if weights is None else torch.from_numpy(weights).to(device)
        self._cluster, self._hosts = job.cluster, DataParallel(job.cluster, model)
        self._keeper = Keeper(job.layout, settings, model, job.cluster)
        identity = {"shape": list(settings.shape), "layers": settings.layers, "classes": settings.classes}
        self._checkpoints = Checkpoints(
            job.layout, artifact.NAME, identity | {"optimizer": wanted.text("optimizer")}, job.cluster
        )

    def run(self, validation: Examples) -> None:
        """All epochs that are left."""
        first = self._resumed()
        with self._loader(self._training) as batches, self._loader(validation) as checks:
            batches.lengthen(self._cluster.most(batches.batches))
            for epoch in range(first, self._settings.epochs):
                self._epoch(batches, epoch)
                self._hosts.share_buffers()
                accuracy = self._validate(checks, epoch)
                self._keeper.after(epoch, accuracy)
                stop = self._stopping.should_stop(epoch, accuracy) and self._may_stop
                self._checkpoints.save(epoch + 1, self._state(stop))
                if stop:
                    log.info(
                        f"Early stopping after epoch {epoch}: validation accuracy has not improved for {self._stopping.waited} epochs"
                    )
                    break
        self._keeper.finish()

    def _loader(self, source: Examples) -> Loader[Prepared]:
        size, train = self._settings.batch, source.training
        return Loader(source.prepared, len(source), size, shuffle=train, whole=train, seed=self._cluster.rank)

    def _epoch(self, batches: Loader[Prepared], epoch: int) -> None:
        optimizers.set_rate(self._optimizer, stepped(self._rate, self._factor, self._settings.steps, epoch))
        counts, meter = self._counts(), Speedometer(epoch, self._settings.batch)
        self._model.train()
        for number, batch in enumerate(batches.epoch(epoch)):
            images, targets = self._moved(batch)
            with self._precision():
                logits = self._model(images).float()
            self._step(self._loss(logits, targets), len(batch))
            counts.add(logits.detach(), targets)
            meter.after(number, counts.values)
        counts.gather(self._cluster)
        meter.trained(counts.values())

    def _step(self, loss: torch.Tensor, examples: int) -> None:
        self._optimizer.zero_grad()
        torch.autograd.backward(self._scaler.scale(loss))
        self._hosts.share_gradients(examples)
        self._scaler.step(self._optimizer)
        self._scaler.update()

    @torch.inference_mode()
    def _validate(self, checks: Loader[Prepared], epoch: int) -> float:
        counts = self._counts()
        self._model.eval()
        for batch in checks.epoch(epoch):
            images, targets = self._moved(batch)
            with self._precision():
                logits = self._model(images).float()
            counts.add(logits, targets)
        counts.gather(self._cluster)
        accuracy = counts.values()["accuracy"]
        Speedometer(epoch, self._settings.batch).validated({"accuracy": accuracy})
        return accuracy

    def _moved(self, batch: list[Prepared]) -> tuple[torch.Tensor, torch.Tensor]:
        images = tensors.of_pixels([item.image for item in batch], self._device)
        changes = examples.stacked_changes(batch)
        if changes:
            images = tensors.jittered(images, torch.tensor(changes, dtype=torch.float32))
        targets = tensors.of_targets([item.target for item in batch], self._device)
        return images, targets

    def _loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self._settings.multi_label:
            return functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=self._positive_weights)
        return functional.cross_entropy(logits, targets)

    def _precision(self) -> contextlib.AbstractContextManager[None]:
        if not self._settings.half:
            return contextlib.nullcontext()
        # CPUs have no fast arithmetic for float16, but for bfloat16, which needs no scaled loss either.
        dtype = torch.float16 if self._device.type == "cuda" else torch.bfloat16
        found: contextlib.AbstractContextManager[None] = torch.autocast(self._device.type, dtype)
        return found

    def _counts(self) -> Counts:
        return Counts(self._settings.top_k, self._settings.multi_label, self._device)

    def _state(self, stopped: bool) -> dict[str, Any]:
        return {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "stopping": asdict(self._stopping),
            "best": self._keeper.best,
            "stopped": stopped,
        }

    def _resumed(self) -> int:
        """The first epoch to train. Raises ClientError."""
        found = self._checkpoints.newest()
        if found is None:
            return 0
        epochs, state = found
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self._stopping.best, self._stopping.waited = state["stopping"]["best"], state["stopping"]["waited"]
        self._keeper.resume(epochs, state["best"])
        log.info(f"Resuming training from the checkpoint after {epochs} epochs")
        return self._settings.epochs if state["stopped"] and self._may_stop else epochs
