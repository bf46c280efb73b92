"""Brings out what the containers of a processing job wrote: the outputs with S3UploadMode EndOfJob, of all instances together."""

from __future__ import annotations

from pathlib import Path

from sagewright.features.processing.folder import JobFolder
from sagewright.features.processing.sources import outputs
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.transfer import upload_folders
from sagewright.store.rows import Resource


class Delivery:
    """Can be repeated as long as the run folders are there."""

    def __init__(self, objects: Objects, jobs: Path) -> None:
        self._objects = objects
        self._jobs = jobs

    async def send(self, resource: Resource, wanted: bool) -> None:
        """Nothing if they are not ``wanted``. Of one name in an output of two instances the first's counts. Raises TransferError, ConnectionError."""
        roots = [folder.ml for folder in JobFolder.all(self._jobs, resource)]
        for output in outputs(resource.spec) if wanted else ():
            if not output.continuous:
                await upload_folders(self._objects, roots, output.below, Location.parse(output.uri))
