"""From the hyperparameters and channels of a job to its trained segmenter."""

from __future__ import annotations

import time
from dataclasses import asdict

from sagewright_algorithms.common import log
from sagewright_algorithms.common.accelerator import prepare
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.semantic_segmentation import artifact, batches, examples, label_map
from sagewright_algorithms.semantic_segmentation.examples import Examples
from sagewright_algorithms.semantic_segmentation.network import Segmenter
from sagewright_algorithms.semantic_segmentation.settings import Settings
from sagewright_algorithms.semantic_segmentation.training import Training, choice
from sagewright_algorithms.vision import given_model, optimizers, tensors
from sagewright_algorithms.vision.checkpoints import Checkpoints
from sagewright_algorithms.vision.epochs import Epochs
from sagewright_algorithms.vision.kept_model import KeptModel

_NAME = "semantic-segmentation"
_SAME = ("backbone", "algorithm", "crop_size", "num_classes")


def fit(job: Job, settings: Settings) -> None:
    """Raises ClientError."""
    train, validation = (_examples(job, settings, name) for name in ("train", "validation"))
    device = prepare()
    segmenter = Segmenter(settings.architecture)
    if "model" in job.channels:
        _go_on_from(segmenter, given_model.read(job.layout.channel("model")))
    segmenter = tensors.placed(segmenter, device)
    optimizer = optimizers.build(choice(job.hyperparameters), segmenter)
    checkpoints = Checkpoints(
        job.layout, _NAME, asdict(settings.architecture) | {"optimizer": job.hyperparameters.text("optimizer")}
    )
    with batches.training(train, settings) as shuffled, batches.validation(validation, settings) as ordered:
        training = Training(segmenter, optimizer, settings, device, shuffled, ordered)
        epochs = settings.schedule.epochs
        Epochs(checkpoints, settings.stopping, "mIOU").run(training, epochs, Keeper(job, segmenter, epochs))


class Keeper:
    """Writes the best model, and the lines that end an epoch."""

    def __init__(self, job: Job, segmenter: Segmenter, epochs: int) -> None:
        self._job, self._segmenter, self._epochs = job, segmenter, epochs
        self._kept = KeptModel(job.layout, artifact.FILES)
        self._kept.restore()
        self._since = time.time()

    def better(self, score: float) -> None:
        """See vision.epochs."""
        log.info(f"Storing the best model with validation mIOU: {score}")
        self._kept.write(artifact.files(self._segmenter, self._job.hyperparameters.final))

    def passed(self, epochs: int) -> None:
        """See vision.epochs."""
        self._job.report.metrics(self._since, {"update.time": (time.time() - self._since) * 1000}, epoch=epochs - 1)
        self._job.report.progress(epochs, self._epochs)
        self._since = time.time()


def _examples(job: Job, settings: Settings, channel: str) -> Examples:
    table = label_map.identity()
    if "label_map" in job.channels:
        table = label_map.read(job.layout.channel("label_map"), channel)
    found = examples.source(job.channels, job.layout.channel(channel))
    log.info(f"The {channel} channel has {len(found)} images")
    return Examples(found, table, settings.architecture.num_classes)


def _go_on_from(segmenter: Segmenter, found: dict[str, bytes]) -> None:
    try:
        earlier = artifact.architecture(found)
        for name in _SAME:
            before, now = getattr(earlier, name), getattr(segmenter.architecture, name)
            if before != now:
                raise ClientError(f"{name} is {now}, but the model of the model channel was trained with {before}")
        artifact.fill(segmenter, found)
    except artifact.UnusableModelError as error:
        raise ClientError(f"The model of the model channel cannot be used: {error}") from error
    log.info("Using the model of the model channel for initializing weights.")
