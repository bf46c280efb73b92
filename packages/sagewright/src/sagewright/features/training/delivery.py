"""Brings out what the containers of a training job wrote: the model and output data, each of all instances together."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

from sagewright.base.folders import files
from sagewright.features.training.folder import JobFolder
from sagewright.features.training.progress import output_root
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.transfer import upload_archive, upload_folders
from sagewright.store.rows import Resource


class Delivery:
    """Can be repeated as long as the run folders are there."""

    def __init__(self, objects: Objects, jobs: Path) -> None:
        self._objects = objects
        self._jobs = jobs

    async def send(self, resource: Resource, wanted: bool) -> None:
        """The model only if it is ``wanted``. Raises TransferError, ErrandFailed for what the user can mend, ConnectionError when S3 is away."""
        folders = JobFolder.all(self._jobs, resource)
        try:
            await self._part(resource, folders, "output/data", "output.tar.gz", "data")
            if wanted:
                await self._part(resource, folders, "model", "model.tar.gz", "model")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ErrandFailed(
                    "ClientError: Artifact upload failed:There is not enough disk space to pack the artifacts."
                ) from error
            raise

    async def _part(self, resource: Resource, folders: tuple[JobFolder, ...], below: str, archive: str, prefix: str) -> None:
        """Where two instances wrote a file of one name, the first instance's stays. An empty folder leaves nothing in S3, as with AWS.

        DG your-algorithms-training-algo-output: "they should ensure no file/directory names clash".
        """
        written = [folder.ml for folder in folders if await asyncio.to_thread(files, folder.ml, below)]
        if not written:
            return
        root = Location.parse(output_root(resource.spec))
        if resource.spec["OutputDataConfig"].get("CompressionType") == "NONE":
            await upload_folders(self._objects, written, below, Location(root.bucket, f"{root.key}/{prefix}/"))
        else:
            target = Location(root.bucket, f"{root.key}/{archive}")
            await upload_archive(self._objects, [ml / below for ml in written], target, folders[0].staging / archive)
