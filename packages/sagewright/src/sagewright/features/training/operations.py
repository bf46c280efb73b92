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
from sagewright.jobs.endings import Endings
from sagewright.jobs.first_look import FirstLook
from sagewright.jobs.ground import Ground
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
    """``create_derived`` writes the row. ``counting``: two jobs must not both take the last of a quota."""

    engine: Engine
    objects: Objects
    own_images: OwnImages
    terms: Terms
    endings: Endings
    create_derived: Handler
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def install(cls, engine: Engine, operations: Operations, ground: Ground, terms: Terms) -> None:
        """Registers the handlers over the derived ones."""
        create, describe = (operations.derived(SERVICE, f"{verb}{KIND}") for verb in ("Create", "Describe"))
        look = FirstLook(engine, KIND, ground.hold_describe, (*progress.TERMINAL, "Deleting"), describe)
        endings = Endings(engine, KIND, progress.TERMINAL, stopped=progress.stop_requested, shown="TrainingJobStatus")
        made = cls(engine, ground.objects, ground.environments.own_images, terms, endings, create)
        own = {f"Create{KIND}": made.create, f"Describe{KIND}": look.describe, f"Update{KIND}": made.update}
        operations.write_all(SERVICE, {**own, **endings.handlers()})

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

    async def update(self, context: Context, request: Document) -> Document:
        """The period of a warm pool; profiler and remote debugging, which AWS can update, too, are not there."""
        given = sorted(member for member in request if member not in ("TrainingJobName", "ResourceConfig"))
        if given:
            raise validation(f"Updating {', '.join(given)} of a training job is not supported by this version of Sagewright.")

        def work(transaction: Transaction) -> Document:
            row = self.endings.row(transaction, context, request)
            if "ResourceConfig" in request:
                transaction.resources.save(_kept_alive(row, request["ResourceConfig"], context.now))
            return {"TrainingJobArn": row.arn}

        return await self.engine.store.write(work)


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
