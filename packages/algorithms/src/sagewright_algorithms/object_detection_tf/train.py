"""The training job of Object Detection - TensorFlow: annotated images in, a network out (DG:object-detection-tensorflow)."""

from __future__ import annotations

from importlib import import_module

from sagewright_algorithms.jumpstart import job as frame
from sagewright_algorithms.jumpstart.job import Job


def main(model_id: str) -> int:
    """Trains; the exit code."""
    return frame.run(model_id, train)


def train(job: Job) -> None:
    """torch is loaded once it is known to be there. Raises ClientError."""
    import_module("sagewright_algorithms.object_detection_tf.fitting").fit(job)
