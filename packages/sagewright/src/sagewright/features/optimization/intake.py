"""Brings in what the container of an optimization job needs: the model's files, and what is to be done with them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagewright.base import files
from sagewright.features.optimization import job
from sagewright.jobs.folder import JobFolder
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import Access
from sagewright.serving.definition import Undeployable, model_container
from sagewright.serving.model import fetch_model
from sagewright.store.database import Store
from sagewright.store.rows import Resource

_FOLDERS = ("input/config", "input/model", "model", "output")
_DATA = ("ModelDataUrl", "ModelDataSource")


@dataclass(frozen=True, slots=True)
class Intake:
    """``jobs`` is settings.jobs."""

    store: Store
    objects: Objects
    jobs: Path

    async def bring(self, resource: Resource) -> None:
        """Raises ErrandFailed, OSError. Can be repeated."""
        folder = JobFolder.of(self.jobs, resource)
        await asyncio.to_thread(folder.build, *_FOLDERS)
        access = Access(resource.world.region, resource.spec["RoleArn"])
        try:
            source = job.source(resource.spec) or await self._of_model(resource)
            await fetch_model(self.objects, source, folder.ml / "input", access, job.max_runtime(resource.spec))
        except (ErrandFailed, Undeployable) as problem:
            raise ErrandFailed(f"ClientError: {problem}") from problem
        text = json.dumps(job.task(resource.spec)).encode()
        await asyncio.to_thread(files.write, folder.ml / "input" / "config" / "optimizationjob.json", text)
        await asyncio.to_thread(folder.build, *_FOLDERS)  # folders have come with the model

    async def _of_model(self, resource: Resource) -> Mapping[str, Any]:
        """Raises Undeployable, ErrandFailed."""
        name = str(resource.spec["ModelSource"]["SageMakerModel"]["ModelName"])
        found = await self.store.read(lambda transaction: model_container(transaction, resource, name))
        data = {member: found.container[member] for member in _DATA if member in found.container}
        if not data:
            raise ErrandFailed(f"The model {name} names no data of one model in S3.")
        return data
