"""From the hyperparameters and channels of a job to its trained detector."""

from __future__ import annotations

import re
import time
from dataclasses import asdict

from sagewright_algorithms.common import log
from sagewright_algorithms.common.accelerator import prepare
from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.job import Job
from sagewright_algorithms.object_detection import artifact, batches, examples
from sagewright_algorithms.object_detection.examples import Examples
from sagewright_algorithms.object_detection.labels import Labels
from sagewright_algorithms.object_detection.network import Detector
from sagewright_algorithms.object_detection.settings import Settings
from sagewright_algorithms.object_detection.training import Training
from sagewright_algorithms.vision import given_model, mxnet_parameters, optimizers, tensors
from sagewright_algorithms.vision.checkpoints import Checkpoints
from sagewright_algorithms.vision.epochs import Epochs
from sagewright_algorithms.vision.kept_model import KeptModel

_NAME = "object-detection"
_SAME = ("base_network", "num_classes")


def fit(job: Job, settings: Settings) -> None:
    """Raises ClientError."""
    train, validation = (_examples(job, settings, name) for name in ("train", "validation"))
    device = prepare()
    detector = Detector(settings.architecture)
    if "model" in job.channels:
        _go_on_from(detector, given_model.read(job.layout.channel("model")))
    if settings.frozen is not None:
        _freeze(detector, settings.frozen)
    detector = tensors.placed(detector, device)
    optimizer = optimizers.build(choice(job.hyperparameters), detector)
    checkpoints = Checkpoints(
        job.layout, _NAME, asdict(settings.architecture) | {"optimizer": job.hyperparameters.text("optimizer")}, job.cluster
    )
    side, size = settings.architecture.image_shape, settings.mini_batch_size
    with (
        batches.training(train, side, size, seed=job.cluster.rank) as shuffled,
        batches.validation(validation, side, size) as ordered,
    ):
        keeper = Keeper(job, detector, settings.epochs, shuffled.examples)
        training = Training(detector, optimizer, settings, job.report.host, job.cluster, shuffled, ordered)
        Epochs(checkpoints, settings.stopping, "mAP").run(training, settings.epochs, keeper)


def choice(given: Hyperparameters) -> optimizers.Choice:
    """Weight decay counts for sgd and rmsprop (DG:object-detection-api-config)."""
    rate, momentum, decay = (given.number(name) for name in ("learning_rate", "momentum", "weight_decay"))
    return optimizers.Choice(given.text("optimizer"), rate, momentum, decay, decayed=("sgd", "rmsprop"))


class Keeper:
    """Writes the best model, and the lines that end an epoch."""

    def __init__(self, job: Job, detector: Detector, epochs: int, examples: int) -> None:
        self._job, self._detector, self._epochs, self._examples = job, detector, epochs, examples
        self._kept = KeptModel(job.layout, artifact.FILES)
        if job.cluster.leads:
            self._kept.restore()
        self._since = time.time()

    def better(self, precision: float) -> None:
        """See vision.epochs."""
        if not self._job.cluster.leads:
            return
        log.info(f"Updating the best model with validation-mAP={precision}")
        self._kept.write(artifact.files(self._detector, self._job.hyperparameters.final))
        log.info(f'Saved checkpoint to "/opt/ml/model/{artifact.PARAMETERS}"')

    def passed(self, epochs: int) -> None:
        """See vision.epochs."""
        report, passed = self._job.report, time.time() - self._since
        report.metrics(self._since, {"update.time": passed * 1000}, epoch=epochs - 1)
        report.progress(epochs, self._epochs)
        report.throughput(self._examples, self._since)
        self._since = time.time()


def _examples(job: Job, settings: Settings, channel: str) -> Examples:
    labels = Labels(settings.architecture.num_classes, settings.label_width)
    found = examples.of(job.channels, job.layout.channel(channel), labels)
    log.info(f"The {channel} channel has {len(found)} images")
    return found


def _go_on_from(detector: Detector, found: dict[str, bytes]) -> None:
    try:
        if artifact.SYMBOL in found:
            _check_same(detector, found)
            artifact.fill(detector, found)
        else:
            artifact.fill_base(detector, found)
    except artifact.UnusableModelError as error:
        raise ClientError(f"The model of the model channel cannot be used: {error}") from error
    log.info("Using the model of the model channel for initializing weights.")


def _check_same(detector: Detector, found: dict[str, bytes]) -> None:
    earlier = artifact.architecture(found)
    for name in _SAME:
        before, now = getattr(earlier, name), getattr(detector.architecture, name)
        if before != now:
            raise ClientError(f"{name} is {now}, but the model of the model channel was trained with {before}")


def _freeze(detector: Detector, pattern: re.Pattern[str]) -> None:
    """By MXNet's names of parameters: "conv1_1_weight"."""
    frozen = {name: parameter for name, parameter in mxnet_parameters.trained(detector).items() if pattern.match(name)}
    for parameter in frozen.values():
        parameter.requires_grad_(False)
    log.info(f"Frozen parameters: {sorted(frozen)}")
