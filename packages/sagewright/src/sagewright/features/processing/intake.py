"""Brings in what the containers of a processing job need: their environment, configuration, inputs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sagewright.compute.environments.build import BuildError
from sagewright.compute.environments.folder import Environments
from sagewright.compute.images import resolve
from sagewright.features.processing import view
from sagewright.features.processing.folder import JobFolder
from sagewright.features.processing.sources import Input, inputs, outputs
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import Access, Share, download_channel
from sagewright.store.rows import Resource


class Intake:
    """Everything of it can be repeated and goes on where it stopped."""

    def __init__(self, objects: Objects, jobs: Path, environments: Environments) -> None:
        self._objects = objects
        self._jobs = jobs
        self._environments = environments

    async def bring(self, resource: Resource) -> None:
        """Raises TransferError and ErrandFailed for what the user can mend, ConnectionError when S3 is away."""
        await self._environment(resource)
        folders = JobFolder.all(self._jobs, resource)
        for folder in folders:
            await asyncio.to_thread(_prepare, folder, resource)
        access = Access(resource.world.region, resource.spec["RoleArn"])
        for number, item in enumerate(inputs(resource.spec)):
            shares = [Share(folder.ml / item.below, folder.mark(f"input-{number}")) for folder in folders]
            await self._input(item, shares, access)

    async def _input(self, item: Input, shares: list[Share], access: Access) -> None:
        await download_channel(self._objects, {"DataSource": {"S3DataSource": item.source}}, shares, access)

    async def _environment(self, resource: Resource) -> None:
        image = resolve(resource.spec["AppSpecification"]["ImageUri"])
        if image.missing:
            raise ErrandFailed(f"ClientError: {image.missing}")
        try:
            await self._environments.prepare(image.name)
        except BuildError as problem:
            raise ErrandFailed(f"ClientError: {problem}") from problem


def _prepare(folder: JobFolder, resource: Resource) -> None:
    """API ProcessingS3Output: an output's folder exists when the entrypoint is invoked."""
    below = [*(item.below for item in inputs(resource.spec)), *(item.below for item in outputs(resource.spec))]
    folder.make(*below)
    view.write(folder.config, resource, folder.run.name)
