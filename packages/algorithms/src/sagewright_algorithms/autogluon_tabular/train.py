"""The AutoGluon-Tabular training job of JumpStart: CSV in, an ensemble out (DG:autogluon-tabular)."""

from __future__ import annotations

import importlib

from sagewright_algorithms.jumpstart import job as frame
from sagewright_algorithms.jumpstart.job import Job


def main(model_id: str) -> int:
    """Trains; the exit code."""
    return frame.run(model_id, train)


def train(job: Job) -> None:
    """The library takes seconds to load: what can be said before is said before. Raises ClientError."""
    importlib.import_module("sagewright_algorithms.autogluon_tabular.fitting").fit(job)
