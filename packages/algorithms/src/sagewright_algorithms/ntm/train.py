"""The NTM training job: counts of words in, ``model_algo-1`` out (DG:ntm)."""

from __future__ import annotations

import importlib

from sagewright_algorithms.common.job import Job, run


def main() -> int:
    """Trains; the exit code."""
    return run("ntm", "AWS/NTM", train)


def train(job: Job) -> None:
    """Raises ClientError. torch takes a while to load where it is not there yet: not before the first log lines."""
    importlib.import_module("sagewright_algorithms.ntm.fitting").train(job)
