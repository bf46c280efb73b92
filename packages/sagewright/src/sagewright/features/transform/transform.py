"""Transform jobs as one part: what the composition root makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sagewright.compute.placement import Machine
from sagewright.compute.slots import Slots
from sagewright.features.transform.controller import KIND, TransformController
from sagewright.features.transform.progress import TERMINAL
from sagewright.features.transform.rules import QUIRKS, RULES
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.errands import Errands
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Context, Operations
from sagewright.objects.s3 import Objects
from sagewright.serving.ensemble import Replicas
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Identity
from sagewright.wire.errors import validation


class Transform:
    """Controller, rules and written operations of transform jobs.

    ``jobs`` is the folder of run folders, ``slots`` the places shared with other kinds of jobs, ``told`` wakes the loop for a row.
    """

    rules: Mapping[str, tuple[Rule, ...]] = RULES
    quirks: Mapping[str, Mapping[str, Any]] = QUIRKS

    def __init__(
        self,
        store: Store,
        containers: Replicas,
        objects: Objects,
        jobs: Path,
        machine: Machine,
        slots: Slots,
        told: Callable[[Identity], None],
    ) -> None:
        self._store = store
        self.controller = TransformController(store, containers, objects, Errands(told), jobs, machine, slots)

    def register(self, operations: Operations, catalog: Catalog) -> None:
        """Writes the operations that are not derived."""

        async def stop(context: Context, request: Document) -> Document:
            """API StopTransformJob. Stopping a job that is stopping already changes nothing."""

            def work(transaction: Transaction) -> None:
                row = catalog.find(transaction, context.world, catalog[KIND], request)
                if row.state in TERMINAL:  # the SDKs swallow a ValidationException here
                    raise validation(f"The request was rejected because the transform job is in status {row.state}.")
                if row.state != "Stopping":
                    transaction.resources.save(replace(row, state="Stopping", modified=context.now, due=context.now))

            await self._store.write(work)
            return {}

        operations.write("sagemaker", "StopTransformJob", stop)

    async def reset(self) -> None:
        """Forgets every job, when rows and run folders are deleted behind the controller's back (test hooks)."""
        await self.controller.reset()

    async def close(self) -> None:
        """Ends what runs in this process; the next control goes on."""
        await self.controller.close()
