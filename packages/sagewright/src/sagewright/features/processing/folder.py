"""What a processing job has in its run folders beyond every job's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sagewright.jobs import folder

PROCESSING_ROOT = "/opt/ml/processing"
"""Every LocalPath lies below it (DG byoc-input-and-output)."""
MESSAGE = "output/message"
"""Below /opt/ml: what becomes the ExitMessage (DG byoc-metadata)."""
PACKAGES = "/opt/ml/.packages"
"""Where pip installs in a container: an image's own files cannot be changed."""

_FOLDERS = ("config", "output", "processing", ".packages")


@dataclass(frozen=True, slots=True)
class JobFolder(folder.JobFolder):
    """Of one instance of a processing job."""

    @property
    def config(self) -> Path:
        return self.ml / "config"

    def make(self, *below: str) -> None:
        """Creates the folders that every container finds, and those ``below`` /opt/ml. Idempotent."""
        self.build(*_FOLDERS, *below)


def below(local_path: str) -> str:
    """A LocalPath below /opt/ml: ``processing/input/data`` for ``/opt/ml/processing/input/data/``."""
    return local_path.rstrip("/").removeprefix(f"{folder.CONTAINER_ROOT}/")
