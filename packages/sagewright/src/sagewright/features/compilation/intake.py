"""Brings in what the container of a compilation job needs: the archive of the model, and what is to be done with it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from sagewright.base import files
from sagewright.features.compilation import job
from sagewright.jobs import archive
from sagewright.jobs.folder import JobFolder
from sagewright.objects.s3 import Location, Objects
from sagewright.store.rows import Resource

_FOLDERS = ("input/config", "input/model", "model", "output")


@dataclass(frozen=True, slots=True)
class Intake:
    """``jobs`` is settings.jobs."""

    objects: Objects
    jobs: Path

    async def bring(self, resource: Resource) -> None:
        """Raises ErrandFailed, ConnectionError, OSError. Can be repeated."""
        folder, source = JobFolder.of(self.jobs, resource), Location.parse(resource.spec["InputConfig"]["S3Uri"])
        await asyncio.to_thread(folder.build, *_FOLDERS)
        packed, unpacked = folder.staging / "input.tar.gz", folder.ml / "input" / "model"
        absent, unreadable = "Data download failed: ", "InputConfiguration: "
        await archive.bring(self.objects, source, packed, unpacked, absent=absent, unreadable=unreadable)
        text = json.dumps(job.task(resource.spec)).encode()
        await asyncio.to_thread(files.write, folder.ml / "input" / "config" / "compilationjob.json", text)
