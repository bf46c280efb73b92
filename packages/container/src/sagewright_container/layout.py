"""Where things lie in a container: ``/opt/ml``, or the folder that ``SAGEWRIGHT_ML_ROOT`` names (tests, plain processes)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths of AWS's container contract below one root (DG:your-algorithms-training-algo-running-container)."""

    root: Path

    @classmethod
    def current(cls) -> Layout:
        """Read at call time: a zygote's child gets its environment after this module was imported."""
        return cls(Path(os.environ.get("SAGEWRIGHT_ML_ROOT", "/opt/ml")))

    @property
    def input(self) -> Path:
        """Configuration and data of a training job."""
        return self.root / "input"

    @property
    def config(self) -> Path:
        """hyperparameters.json, inputdataconfig.json, resourceconfig.json."""
        return self.input / "config"

    @property
    def pipes(self) -> Path:
        """What the FIFOs of Pipe-mode channels are fed from: a folder for each, and none at all without such a channel."""
        return self.input / ".pipe"

    @property
    def model(self) -> Path:
        """What training leaves and what serving reads."""
        return self.root / "model"

    @property
    def code(self) -> Path:
        """The user's code."""
        return self.root / "code"

    @property
    def output(self) -> Path:
        """``failure`` and ``data/``."""
        return self.root / "output"

    @property
    def output_data(self) -> Path:
        """Packed to output.tar.gz after training."""
        return self.output / "data"

    @property
    def checkpoints(self) -> Path:
        """Kept in step with S3 while a job runs."""
        return self.root / "checkpoints"

    @property
    def failure(self) -> Path:
        """Its first 1 024 characters become FailureReason."""
        return self.output / "failure"

    def channel(self, name: str) -> Path:
        """The data of one channel."""
        return self.input / "data" / name
