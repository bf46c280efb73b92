"""The operations on training jobs that do not follow from the service model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sagewright.compute.oci.own_images import OwnImages
from sagewright.features.training import channels, progress, quotas, warm_pool
from sagewright.features.training.prospects import Terms
from sagewright.features.training.rules import check
from sagewright.jobs import own_image
from sagewright.jobs.first_look import FirstLook
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.operation import Context, Handler, Operations
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import Access, TransferError, check_channel
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

KIND = "TrainingJob"


@dataclass(slots=True)
class TrainingOperations:
    """``first_look`` holds the first Describe of a young job. ``counting``: two jobs must not both take the last of a quota."""

    engine: Engine
    objects: Objects
    own_images: OwnImages
    first_look: FirstLook
    terms: Terms
    create_derived: Handler
    describe_derived: Handler
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def install(
        cls,
        engine: Engine,
        operations: Operations,
        objects: Objects,
        own_images: OwnImages,
        hold: float,
        terms: Terms,
    ) -> TrainingOperations:
        """Registers the handlers over the derived ones."""
        create, describe = (operations.find(SERVICE, f"{verb}{KIND}") for verb in ("Create", "Describe"))
        if create is None or describe is None:
            raise LookupError(f"the engine has derived nothing for {KIND}")
        look = FirstLook(engine, hold, (*progress.TERMINAL, "Deleting"))
        made = cls(engine, objects, own_images, look, terms, create, describe)
        for verb in ("Create", "Describe", "Stop", "Update", "Delete"):
            operations.write(SERVICE, f"{verb}{KIND}", getattr(made, verb.lower()))
        return made

    async def create(self, context: Context, request: Document) -> Document:
        """What is wrong with the request itself is said first; then every input must hold objects, as AWS checks."""
        check(context, request)
        own_image.check(self.own_images, context.world, request["AlgorithmSpecification"]["TrainingImage"], request["RoleArn"])
        access = Access(context.world.region, request["RoleArn"])
        sources = channels.s3_sources(request)
        try:
            await asyncio.gather(*(check_channel(self.objects, source, access) for source in sources))
        except TransferError as error:
            raise validation(str(error).removeprefix("ClientError: ")) from error
        except ConnectionError as error:
            raise Fault("ServiceUnavailable", "The object store cannot be reached; please try again.", 503) from error
        if not self.terms.limited:
            return await self.create_derived(context, request)
        async with self.counting:
            await self.engine.store.read(lambda transaction: quotas.check(transaction, context.world, request))
            return await self.create_derived(context, request)

    async def describe(self, context: Context, request: Document) -> Document:
        """See jobs/first_look.py."""
        await self.first_look.wait(context, await self._find(context, request))
        return await self.describe_derived(context, request)

    async def stop(self, context: Context, request: Document) -> Document:
        """API StopTrainingJob. Stopping a job that is stopping already changes nothing."""

        def work(transaction: Transaction) -> None:
            row = self._row(transaction, context, request)
            if row.state in progress.TERMINAL or row.state == "Deleting":
                raise validation(f"The request was rejected because the training job is in status {row.state}.")
            if row.state != "Stopping":
                status = progress.stop_requested(row.status, context.now)
                _save(transaction, row, "Stopping", status, context.now)

        await self.engine.store.write(work)
        return {}

    async def update(self, context: Context, request: Document) -> Document:
        """The period of a warm pool; profiler and remote debugging, which AWS can update, too, are not there."""
        given = sorted(member for member in request if member not in ("TrainingJobName", "ResourceConfig"))
        if given:
            raise validation(f"Updating {', '.join(given)} of a training job is not supported by this version of Sagewright.")

        def work(transaction: Transaction) -> Document:
            row = self._row(transaction, context, request)
            if "ResourceConfig" in request:
                transaction.resources.save(_kept_alive(row, request["ResourceConfig"], context.now))
            return {"TrainingJobArn": row.arn}

        return await self.engine.store.write(work)

    async def delete(self, context: Context, request: Document) -> Document:
        """API DeleteTrainingJob: only of a job that has ended. The controller removes row and files."""

        def work(transaction: Transaction) -> None:
            row = self._row(transaction, context, request)
            if row.state == "Deleting":
                return
            if row.state not in progress.TERMINAL:
                raise Fault(
                    "ResourceInUse", f"The training job {row.arn} cannot be deleted in status {row.state}. Stop it first."
                )
            _save(transaction, row, "Deleting", row.status, context.now)

        await self.engine.store.write(work)
        return {}

    async def _find(self, context: Context, request: Document) -> Resource:
        return await self.engine.store.read(lambda transaction: self._row(transaction, context, request))

    def _row(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        catalog = self.engine.catalog
        return catalog.find(transaction, context.world, catalog[KIND], request)


def _kept_alive(row: Resource, config: Mapping[str, Any], now: float) -> Resource:
    """DG train-warm-pools-how-to-use: only the period, and only while the pool is available."""
    if warm_pool.status_of(row.status) != warm_pool.AVAILABLE or now >= row.status["Run"]["Until"]:
        shown = warm_pool.status_of(row.status) or "not there"
        raise validation(
            f"KeepAlivePeriodInSeconds of the training job {row.arn} can only be updated while its warm pool status is "
            f"Available; it is {shown}."
        )
    seconds = config["KeepAlivePeriodInSeconds"]
    spec = {**row.spec, "ResourceConfig": {**row.spec["ResourceConfig"], "KeepAlivePeriodInSeconds": seconds}}
    return replace(row, spec=spec, status=warm_pool.extended(row.status, seconds), modified=now, due=now)


def _save(transaction: Transaction, row: Resource, state: str, status: Mapping[str, Any], now: float) -> None:
    shown = {**status, "TrainingJobStatus": state}
    transaction.resources.save(replace(row, state=state, status=shown, modified=now, due=now))
