"""The Semantic Segmentation training job: /opt/ml in, ``model_algo-1`` and ``hyperparams.json`` out (DG:semantic-segmentation)."""

from __future__ import annotations

from importlib import import_module

from sagewright_algorithms.common.job import Job, run
from sagewright_algorithms.semantic_segmentation.settings import read
from sagewright_algorithms.vision import pretrained


def main() -> int:
    """Trains; the exit code."""
    return run("semantic-segmentation", "AWS/Semantic Segmentation", train)


def train(job: Job) -> None:
    """Raises ClientError. What is wrong with the hyperparameters is said before torch is loaded."""
    settings = read(job.hyperparameters)
    pretrained.check(job, settings.architecture.backbone)
    import_module("sagewright_algorithms.semantic_segmentation.fitting").fit(job, settings)
