"""Where a job lies on disk: a run folder for each instance, and what its container sees of it as /opt/ml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sagewright.base import files
from sagewright.jobs.instances import cluster, instances
from sagewright.store.rows import Resource

CONTAINER_ROOT = "/opt/ml"


@dataclass(frozen=True, slots=True)
class JobFolder:
    """``run`` is hidden from the container, ``ml`` is its /opt/ml. Names are safe: the API's patterns allow no slash or dot."""

    run: Path

    @classmethod
    def of(cls, jobs: Path, resource: Resource, host: str = "algo-1") -> Self:
        """Of one instance, below the data folder's ``jobs``."""
        return cls(job_folder(jobs, resource) / host)

    @classmethod
    def all(cls, jobs: Path, resource: Resource) -> tuple[Self, ...]:
        """Of every instance, algo-1 first."""
        return tuple(cls.of(jobs, resource, instance.host) for instance in instances(cluster(resource.spec)))

    @property
    def ml(self) -> Path:
        return self.run / "ml"

    @property
    def stdout(self) -> Path:
        """What the container printed, stderr included."""
        return self.run / "stdout"

    @property
    def staging(self) -> Path:
        """Archives on their way out, outside the container's view."""
        return self.run / "staging"

    def build(self, *below: str) -> None:
        """Creates it with these folders below /opt/ml. Idempotent; whatever our umask is: the container's user is another."""
        self.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in below:
            (self.ml / name).mkdir(parents=True, exist_ok=True)
        for made in (self.ml, *(path for path in self.ml.rglob("*") if path.is_dir())):
            made.chmod(0o755)

    def mark(self, name: str) -> Path:
        """Says that something has been done completely; outside the container's view."""
        return self.run / "marks" / name

    def say(self, text: str) -> None:
        """What the job's log begins with, known before the container starts."""
        self.mark("said").parent.mkdir(parents=True, exist_ok=True)
        files.write(self.mark("said"), text.encode())

    @property
    def said(self) -> str:
        """What ``say`` was given, or empty."""
        try:
            return self.mark("said").read_text()
        except FileNotFoundError:
            return ""

    def ledger(self, name: str) -> Path:
        """What of a synchronised folder is in S3."""
        return self.run / "marks" / f"{name}.json"


def prefix(kind: str) -> str:
    """The beginning of the key of every job of a kind: ``training-job/`` for a TrainingJob; a folder below ``jobs``, too."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind).lower() + "/"


def key(resource: Resource) -> str:
    """Names the job for ever: who holds its places."""
    return f"{prefix(resource.kind)}{resource.world.account}/{resource.world.region}/{resource.key}"


def job_folder(jobs: Path, resource: Resource) -> Path:
    """The folder of all that a job has on disk."""
    return jobs / key(resource)


def network_folder(jobs: Path, resource: Resource) -> Path:
    """The run folder of the network that several instances share."""
    return job_folder(jobs, resource) / "network"
