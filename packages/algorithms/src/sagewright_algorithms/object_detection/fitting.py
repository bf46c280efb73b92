"""From the hyperparameters and channels of a job to its trained detector."""

from __future__ import annotations

import re
import time
from dataclasses import asdict

from sagewright_algorithms.common import log
from sagewright_algorithms.common.accelerator import prepare
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.object_detection import artifact, batches, examples, settings
from sagewright_algorithms.object_detection.examples import Examples
from sagewright_algorithms.object_detection.labels import Labels
from sagewright_algorithms.object_detection.network import Detector
from sagewright_algorithms.object_detection.settings import Settings
from sagewright_algorithms.object_detection.training import Training
from sagewright_algorithms.vision import given_model, mxnet_parameters, pretrained
from sagewright_algorithms.vision.checkpoints import Checkpoints


def fit(job: Job) -> None:
    """Raises ClientError."""
    wanted = settings.of(job.hyperparameters)
    pretrained.check(job, wanted.architecture.base_network)
    device = prepare()
    train, validation = (_examples(job, wanted, name) for name in ("train", "validation"))
    detector = Detector(wanted.architecture)
    if "model" in job.channels:
        _go_on_from(detector, given_model.read(job.layout.channel("model")))
    if wanted.frozen is not None:
        _freeze(detector, wanted.frozen)
    detector.to(device)
    checkpoints = Checkpoints(job.layout, "object-detection", asdict(wanted.architecture))
    training = Training(detector, wanted, checkpoints, device, job.report.host)
    side, size = wanted.architecture.image_shape, wanted.mini_batch_size
    with batches.training(train, side, size) as shuffled, batches.validation(validation, side, size) as ordered:
        training.run(shuffled, ordered, Keeper(job, detector, wanted.epochs, shuffled.examples))


class Keeper:
    """Writes the best model, and the lines that end an epoch."""

    def __init__(self, job: Job, detector: Detector, epochs: int, examples: int) -> None:
        self._job, self._detector, self._epochs, self._examples = job, detector, epochs, examples
        self._since = time.time()

    def better(self, precision: float) -> None:
        """The model is better than all before."""
        log.info(f"Updating the best model with validation-mAP={precision}")
        for name, content in artifact.files(self._detector, self._job.hyperparameters.final).items():
            self._job.write_model(content, name)
        log.info(f'Saved checkpoint to "{self._job.layout.model / artifact.PARAMETERS}"')

    def passed(self, epochs: int) -> None:
        """So many epochs are done."""
        report, passed = self._job.report, time.time() - self._since
        report.metrics(self._since, {"update.time": passed * 1000}, epoch=epochs - 1)
        report.progress(epochs, self._epochs)
        report.throughput(self._examples, self._since)
        self._since = time.time()


def _examples(job: Job, wanted: Settings, channel: str) -> Examples:
    labels = Labels(wanted.architecture.num_classes, wanted.label_width)
    found = examples.of(job.channels, job.layout.channel(channel), labels)
    log.info(f"The {channel} channel has {len(found)} images")
    return found


def _go_on_from(detector: Detector, found: dict[str, bytes]) -> None:
    try:
        earlier = artifact.architecture(found)
        for name in ("base_network", "num_classes"):
            before, now = getattr(earlier, name), getattr(detector.architecture, name)
            if before != now:
                raise ClientError(f"{name} is {now}, but the model in the channel 'model' was trained with {before}")
        artifact.fill(detector, found)
    except artifact.UnusableModelError as error:
        raise ClientError(f"The model in the channel 'model' cannot be used: {error}") from error


def _freeze(detector: Detector, pattern: re.Pattern[str]) -> None:
    """By MXNet's names of parameters: "conv1_1_weight"."""
    frozen = [name for name in mxnet_parameters.trained(detector) if pattern.match(name)]
    for name in frozen:
        mxnet_parameters.trained(detector)[name].requires_grad_(False)
    log.info(f"Frozen parameters: {frozen}")
