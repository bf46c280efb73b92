"""The Object Detection training job: /opt/ml in, the files of artifact.py out (DG:object-detection)."""

from __future__ import annotations

from importlib import import_module

from sagewright_algorithms.common.job import Job, run


def main() -> int:
    """Trains; the exit code."""
    return run("object-detection", "AWS/Object Detection", train)


def train(job: Job) -> None:
    """Raises ClientError."""
    # torch takes seconds to import where no zygote holds it: not before the first log lines and the checks of the frame.
    import_module("sagewright_algorithms.object_detection.fitting").fit(job)
