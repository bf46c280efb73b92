"""The training job of Image Classification - TensorFlow: folders of images in, a network out (DG:IC-TF-how-to-use)."""

from __future__ import annotations

from importlib import import_module

from sagewright_algorithms.jumpstart import job as frame
from sagewright_algorithms.jumpstart.job import Job


def main(model_id: str) -> int:
    """Trains; the exit code."""
    return frame.run(model_id, train)


def train(job: Job) -> None:
    """torch is loaded once it is known to be there. Raises ClientError."""
    import_module("sagewright_algorithms.image_classification_tf.fitting").fit(job)
