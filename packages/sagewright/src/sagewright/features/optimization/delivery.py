"""Brings out what the container of an optimization job made: the optimized model, file by file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sagewright.features.optimization import job
from sagewright.jobs.folder import JobFolder
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import upload_folders
from sagewright.store.rows import Resource


@dataclass(frozen=True, slots=True)
class Delivery:
    """``jobs`` is settings.jobs."""

    objects: Objects
    jobs: Path

    async def send(self, resource: Resource, wanted: bool) -> None:
        """Only if it is ``wanted``. Raises TransferError, ConnectionError. Can be repeated."""
        if wanted:
            folder = JobFolder.of(self.jobs, resource)
            await upload_folders(self.objects, [folder.ml], "model", job.target(resource.spec))
