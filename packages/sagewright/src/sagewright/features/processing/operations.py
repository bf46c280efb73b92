"""The operations on processing jobs that do not follow from the service model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sagewright.compute.oci.own_images import OwnImages
from sagewright.features.processing import progress
from sagewright.features.processing.role import check_role
from sagewright.features.processing.rules import check
from sagewright.jobs import own_image
from sagewright.jobs.first_look import FirstLook
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.operation import Context, Handler, Operations
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

KIND = "ProcessingJob"


@dataclass(slots=True)
class ProcessingOperations:
    """``first_look`` holds the first Describe of a young job."""

    engine: Engine
    operations: Operations
    own_images: OwnImages
    first_look: FirstLook
    create_derived: Handler
    describe_derived: Handler

    @classmethod
    def install(cls, engine: Engine, operations: Operations, own_images: OwnImages, hold: float) -> ProcessingOperations:
        """Registers the handlers over the derived ones."""
        create, describe = (operations.find(SERVICE, f"{verb}{KIND}") for verb in ("Create", "Describe"))
        if create is None or describe is None:
            raise LookupError(f"the engine has derived nothing for {KIND}")
        look = FirstLook(engine, hold, (*progress.TERMINAL, "Deleting"))
        made = cls(engine, operations, own_images, look, create, describe)
        for verb in ("Create", "Describe", "Stop", "Delete"):
            operations.write(SERVICE, f"{verb}{KIND}", getattr(made, verb.lower()))
        return made

    async def create(self, context: Context, request: Document) -> Document:
        """AWS assumes the role before it accepts the job; inputs that are not there only show when the job runs."""
        check(context, request)
        image = request["AppSpecification"]["ImageUri"]
        await asyncio.to_thread(own_image.check, self.own_images, context.world, image, request["RoleArn"])
        await check_role(self.operations, context, request["RoleArn"])
        return await self.create_derived(context, request)

    async def describe(self, context: Context, request: Document) -> Document:
        """See jobs/first_look.py."""
        row = await self.engine.store.read(lambda transaction: self._row(transaction, context, request))
        await self.first_look.wait(context, row)
        return await self.describe_derived(context, request)

    async def stop(self, context: Context, request: Document) -> Document:
        """API StopProcessingJob. Stopping a job that is stopping already changes nothing."""

        def work(transaction: Transaction) -> None:
            row = self._row(transaction, context, request)
            if row.state in progress.TERMINAL or row.state == "Deleting":  # the SDKs swallow a ValidationException here
                raise validation(f"The request was rejected because the processing job is in status {row.state}.")
            if row.state != "Stopping":
                _save(transaction, row, "Stopping", progress.stop_requested(row.status), context.now)

        await self.engine.store.write(work)
        return {}

    async def delete(self, context: Context, request: Document) -> Document:
        """API DeleteProcessingJob: only of a job that has ended. The controller removes row and files."""

        def work(transaction: Transaction) -> None:
            row = self._row(transaction, context, request)
            if row.state == "Deleting":
                return
            if row.state not in progress.TERMINAL:
                raise Fault(
                    "ResourceInUse", f"The processing job {row.arn} cannot be deleted in status {row.state}. Stop it first."
                )
            _save(transaction, row, "Deleting", row.status, context.now)

        await self.engine.store.write(work)
        return {}

    def _row(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        catalog = self.engine.catalog
        return catalog.find(transaction, context.world, catalog[KIND], request)


def _save(transaction: Transaction, row: Resource, state: str, status: Mapping[str, Any], now: float) -> None:
    shown = {**status, "ProcessingJobStatus": state}
    transaction.resources.save(replace(row, state=state, status=shown, modified=now, due=now))
