"""How a processing job is looked at: as every job, and for its exit message."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sagewright.features.processing import message
from sagewright.features.processing.folder import JobFolder
from sagewright.features.processing.message import SILENT
from sagewright.features.processing.sight import Sight
from sagewright.jobs.workshop import Workshop
from sagewright.store.rows import Resource


@dataclass(frozen=True, slots=True)
class Look:
    """For jobs.controller."""

    workshop: Workshop

    async def __call__(self, resource: Resource) -> Sight:
        """The message counts only once all containers have ended: until then it may still be written."""
        common = await self.workshop.look(resource)
        if not all(instance.state in ("exited", "lost") for instance in common.instances):
            return Sight.beside(common, message=SILENT)
        found = JobFolder.all(self.workshop.jobs, resource)
        return Sight.beside(common, message=await asyncio.to_thread(message.read, found))
