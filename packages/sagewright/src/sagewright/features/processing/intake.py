"""Brings in what the containers of a processing job need: their environment, configuration, inputs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sagewright.compute.environments.build import BuildError
from sagewright.compute.environments.folder import Environments
from sagewright.compute.images import resolve
from sagewright.features.processing import view
from sagewright.features.processing.answers import Answers
from sagewright.features.processing.dataset import Dataset, datasets
from sagewright.features.processing.folder import JobFolder
from sagewright.features.processing.sources import inputs, outputs
from sagewright.jobs.own_image import pulled
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import Access, Share, download_channel
from sagewright.store.rows import Resource


class Intake:
    """Everything of it can be repeated and goes on where it stopped."""

    def __init__(self, objects: Objects, jobs: Path, environments: Environments, answers: Answers) -> None:
        self._objects = objects
        self._answers = answers
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
            await self._input(item.source, _shares(folders, item.below, f"input-{number}"), access)
        for number, dataset in enumerate(datasets(resource.spec)):
            await self._dataset(dataset, f"{resource.name}/{number}/", folders, f"dataset-{number}", access)

    async def _input(self, source: Mapping[str, Any], shares: list[Share], access: Access) -> None:
        await download_channel(self._objects, {"DataSource": {"S3DataSource": source}}, shares, access)

    async def _dataset(self, dataset: Dataset, below: str, folders: Sequence[JobFolder], name: str, access: Access) -> None:
        """The answer is stored where the request wants it, in a folder of its own, and comes from there like every input."""
        goal, answered = f"{dataset.uri.rstrip('/')}/{below}", folders[0].mark(f"{name}-answered")
        if not answered.exists():
            parts = len(folders) if dataset.sharded else 1
            await self._answers.store(dataset, goal, folders[0].staging / name, parts, access)
            answered.parent.mkdir(parents=True, exist_ok=True)
            answered.touch()
        distribution = "ShardedByS3Key" if dataset.sharded else "FullyReplicated"
        await self._input(
            {"S3Uri": goal, "S3DataDistributionType": distribution}, _shares(folders, dataset.below, name), access
        )

    async def _environment(self, resource: Resource) -> None:
        image = resolve(resource.spec["AppSpecification"]["ImageUri"])
        if image.missing:
            raise ErrandFailed(f"ClientError: {image.missing}")
        if image.kind == "own":
            await pulled(self._environments.own_images, image.uri, resource.world)
            return
        try:
            await self._environments.prepare(image.environment())
        except BuildError as problem:
            raise ErrandFailed(f"ClientError: {problem}") from problem


def _shares(folders: Sequence[JobFolder], below: str, mark: str) -> list[Share]:
    return [Share(folder.ml / below, folder.mark(mark)) for folder in folders]


def _prepare(folder: JobFolder, resource: Resource) -> None:
    """API ProcessingS3Output: an output's folder exists when the entrypoint is invoked."""
    spec = resource.spec
    below = [source.below for found in (inputs(spec), datasets(spec), outputs(spec)) for source in found]
    folder.make(*below)
    view.write(folder.config, resource, folder.run.name)
