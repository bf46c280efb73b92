"""Where a training job lies on disk: its run folder and what the container sees of it as /opt/ml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sagewright.compute import view
from sagewright.store.rows import Resource

CONTAINER_ROOT = "/opt/ml"
KEY_PREFIX = "training-job/"


@dataclass(frozen=True, slots=True)
class JobFolder:
    """``run`` is hidden from the container, ``ml`` is its /opt/ml. Names are safe: the API's patterns allow no slash or dot."""

    run: Path

    @classmethod
    def of(cls, jobs: Path, resource: Resource) -> JobFolder:
        """Below the data folder's ``jobs``; a training job has one instance."""
        return cls(jobs / "training-job" / resource.world.account / resource.world.region / resource.key / "algo-1")

    @property
    def ml(self) -> Path:
        return self.run / "ml"

    @property
    def config(self) -> Path:
        return self.ml / "input" / "config"

    @property
    def stdout(self) -> Path:
        """What the container printed, stderr included."""
        return self.run / "stdout"

    @property
    def staging(self) -> Path:
        """Archives on their way out, outside the container's view."""
        return self.run / "staging"

    def channel(self, name: str) -> Path:
        return self.ml / "input" / "data" / name

    def mark(self, name: str) -> Path:
        """Says that something has been done completely; outside the container's view."""
        return self.run / "marks" / name

    def ledger(self, name: str) -> Path:
        """What of a synchronised folder is in S3."""
        return self.run / "marks" / f"{name}.json"

    def make(self) -> None:
        """Creates the folders that the container contract names. Idempotent."""
        self.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        view.build(self.ml)


def key(resource: Resource) -> str:
    """InstanceSpec.key: names the container for ever."""
    return f"{KEY_PREFIX}{resource.world.account}/{resource.world.region}/{resource.key}/algo-1"
