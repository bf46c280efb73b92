"""The TabTransformer training job of JumpStart: CSV in, a network out (DG:tabtransformer)."""

from __future__ import annotations

import importlib

from sagewright_algorithms.jumpstart import job as frame
from sagewright_algorithms.jumpstart.job import Job


def main(model_id: str) -> int:
    """Trains; the exit code."""
    return frame.run(model_id, train)


def train(job: Job) -> None:
    """torch is loaded once it is known to be there. Raises ClientError."""
    importlib.import_module("sagewright_algorithms.tabtransformer.fitting").fit(job)
