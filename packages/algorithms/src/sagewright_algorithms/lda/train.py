"""The LDA training job: counts of words in, ``model_algo-1`` (alpha and beta as NDArrays) out (DG:lda)."""

from __future__ import annotations

import importlib

from sagewright_algorithms.common.job import Job, run


def main() -> int:
    """Trains; the exit code."""
    return run("lda", "AWS/LDA", train)


def train(job: Job) -> None:
    """Raises ClientError. SciPy takes a quarter of a second to load: not before the first log lines."""
    importlib.import_module("sagewright_algorithms.lda.fitting").train(job)
