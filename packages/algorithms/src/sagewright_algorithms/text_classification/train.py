"""The text classification training job of JumpStart: labelled sentences in, a transformer out (DG:text-classification-tensorflow)."""

from __future__ import annotations

import importlib
import os

from sagewright_algorithms.jumpstart import job as frame
from sagewright_algorithms.jumpstart.job import Job


def main(model_id: str) -> int:
    """Trains; the exit code."""
    return frame.run(model_id, train)


def train(job: Job) -> None:
    """The libraries are loaded once they are known to be there. Raises ClientError."""
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")  # read when they are imported: nothing is downloaded
    importlib.import_module("sagewright_algorithms.text_classification.fitting").fit(job)
