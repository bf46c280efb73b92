"""What a training job has in its run folders beyond every job's: channels and the folders of the training contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sagewright.compute import view
from sagewright.jobs import folder


@dataclass(frozen=True, slots=True)
class JobFolder(folder.JobFolder):
    """Of one instance of a training job."""

    @property
    def config(self) -> Path:
        return self.ml / "input" / "config"

    def channel(self, name: str) -> Path:
        return self.ml / "input" / "data" / name

    def piped(self, name: str) -> Path:
        """What the container's toolkit streams through the FIFOs of a Pipe-mode channel (``sagewright_container.pipes``)."""
        return self.ml / "input" / ".pipe" / name

    def make(self) -> None:
        """Creates the folders that the container contract names. Idempotent."""
        self.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        view.build(self.ml)
