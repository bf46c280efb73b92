"""The LightGBM training job of JumpStart: CSV in, a booster out (DG:lightgbm)."""

from __future__ import annotations

import importlib

from sagewright_algorithms.common.errors import ClientError
from sagewright_algorithms.common.hyperparameters import Hyperparameters
from sagewright_algorithms.common.threads import spin_when_idle
from sagewright_algorithms.jumpstart import job as frame
from sagewright_algorithms.jumpstart.job import Job


def main(model_id: str) -> int:
    """Trains; the exit code."""
    return frame.run(model_id, train, check_several)


def check_several(wanted: Hyperparameters) -> None:
    """Raises ClientError where AWS's script would train a model on each instance."""
    if wanted.text("use_dask") != "True":
        raise ClientError("LightGBM trains on several instances only with use_dask=True: set it, or InstanceCount to 1")


def train(job: Job) -> None:
    """The library is loaded once it is known to be there. Raises ClientError."""
    spin_when_idle()
    importlib.import_module("sagewright_algorithms.lightgbm.fitting").fit(job)
