"""Brings out what a training container wrote: the model, output data, and before them its last log lines."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

from sagewright.base import folders
from sagewright.features.training.folder import JobFolder
from sagewright.features.training.progress import output_root
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.transfer import upload_archive, upload_folder
from sagewright.store.rows import Resource


class Delivery:
    """Can be repeated as long as the run folder is there."""

    def __init__(self, objects: Objects, jobs: Path) -> None:
        self._objects = objects
        self._jobs = jobs

    async def send(self, resource: Resource, with_model: bool) -> None:
        """Raises TransferError, ErrandFailed for what the user can mend, ConnectionError when S3 is away."""
        folder = JobFolder.of(self._jobs, resource)
        if not folder.ml.is_dir():
            raise ErrandFailed("InternalServerError: The job's folder is gone; what it wrote is lost. Please try again.")
        try:
            await self._part(resource, folder, "output/data", "output.tar.gz", "data")
            if with_model:
                await self._part(resource, folder, "model", "model.tar.gz", "model")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ErrandFailed(
                    "ClientError: Artifact upload failed:There is not enough disk space to pack the artifacts."
                ) from error
            raise

    async def _part(self, resource: Resource, folder: JobFolder, below: str, archive: str, prefix: str) -> None:
        """An empty folder leaves nothing in S3, as with AWS."""
        if not await asyncio.to_thread(folders.files, folder.ml, below):
            return
        root = Location.parse(output_root(resource.spec))
        if resource.spec["OutputDataConfig"].get("CompressionType") == "NONE":
            await upload_folder(self._objects, folder.ml, below, Location(root.bucket, f"{root.key}/{prefix}/"))
        else:
            target = Location(root.bucket, f"{root.key}/{archive}")
            await upload_archive(self._objects, folder.ml / below, target, folder.staging / archive)
