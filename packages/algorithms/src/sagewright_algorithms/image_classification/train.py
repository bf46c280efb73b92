"""The Image Classification training job: images in, the parameters of a residual network out (DG:image-classification)."""

from __future__ import annotations

from importlib import import_module

from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.image_classification.settings import read


def main() -> int:
    """Trains; the exit code."""
    return run("image-classification", "image-classification", train)


def train(job: Job) -> None:
    """Raises ClientError. What is wrong with the hyperparameters is said before torch is loaded."""
    settings = read(job.hyperparameters)
    import_module("sagewright_algorithms.image_classification.training").train(job, settings)
