"""The operations on processing jobs that do not follow from the service model."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sagewright.compute.oci.own_images import OwnImages
from sagewright.features.processing.outcome import PROGRESS
from sagewright.features.processing.role import check_role
from sagewright.features.processing.rules import check
from sagewright.jobs import own_image
from sagewright.jobs.endings import Endings
from sagewright.jobs.first_look import FirstLook
from sagewright.jobs.ground import Ground
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.operation import Context, Handler, Operations
from sagewright.store.rows import Document

KIND = "ProcessingJob"


def written(ground: Ground, engine: Engine, operations: Operations) -> dict[str, Handler]:
    """By operation name. Create and Describe lie over the derived ones."""
    create, describe = (operations.derived(SERVICE, f"{verb}{KIND}") for verb in ("Create", "Describe"))
    look = FirstLook(engine, KIND, ground.hold_describe, (*PROGRESS.terminal, "Deleting"), describe)
    made = Creation(operations, ground.environments.own_images, create)
    return {f"Create{KIND}": made.create, f"Describe{KIND}": look.describe, **Endings.of(PROGRESS, engine, KIND).handlers()}


@dataclass(frozen=True, slots=True)
class Creation:
    """``derived`` writes the row."""

    operations: Operations
    own_images: OwnImages
    derived: Handler

    async def create(self, context: Context, request: Document) -> Document:
        """AWS assumes the role before it accepts the job; inputs that are not there only show when the job runs."""
        check(context, request)
        image = request["AppSpecification"]["ImageUri"]
        await asyncio.to_thread(own_image.check, self.own_images, context.world, image, request["RoleArn"])
        await check_role(self.operations, context, request["RoleArn"])
        return await self.derived(context, request)
