"""The Object Detection training job: /opt/ml in, the files of artifact.py out (DG:object-detection)."""

from __future__ import annotations

from importlib import import_module

from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.object_detection.settings import read
from sagewright_algorithms.vision import pretrained


def main() -> int:
    """Trains; the exit code."""
    return run("object-detection", "AWS/Object Detection", train)


def train(job: Job) -> None:
    """Raises ClientError. What is wrong with the hyperparameters is said before torch is loaded."""
    settings = read(job.hyperparameters)
    pretrained.check(job, settings.architecture.base_network)
    import_module("sagewright_algorithms.object_detection.fitting").fit(job, settings)
