"""Composition of compilation jobs, and the operations on them that do not follow from the service model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from sagewright.compute.environments.folder import Environments
from sagewright.compute.placement import Machine
from sagewright.compute.runtime import Runtime
from sagewright.compute.slots import Slots
from sagewright.compute.way_back import WayBack
from sagewright.features.compilation import progress
from sagewright.features.compilation.controller import CompilationController
from sagewright.features.compilation.job import program
from sagewright.features.compilation.rules import check
from sagewright.jobs.launch import Launch
from sagewright.jobs.log import JobLog
from sagewright.jobs.usage import Usage
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.engine import SERVICE
from sagewright.kernel.errands import Errands
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Context, Operations
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import TransferError
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Identity
from sagewright.wire.errors import validation

KIND = "CompilationJob"


@dataclass(slots=True)
class Compilation:
    """Controller, rules and written operations."""

    store: Store
    controller: CompilationController

    rules: ClassVar[Mapping[str, tuple[Rule, ...]]] = {"CreateCompilationJob": (check,)}
    quirks: ClassVar[Mapping[str, Mapping[str, Any]]] = {KIND: {"fills": (progress.created,)}}

    @classmethod
    def compose(
        cls,
        *,
        store: Store,
        runtime: Runtime,
        objects: Objects,
        way_back: WayBack,
        jobs: Path,
        environments: Environments,
        wake: Callable[[Identity], None],
        slots: Slots,
        machine: Machine,
    ) -> Compilation:
        """``jobs`` is settings.jobs; ``wake`` tells the loop to look at a row; ``slots`` are shared with other kinds of jobs."""
        controller = CompilationController(
            store,
            runtime,
            objects,
            jobs,
            slots,
            Errands(wake, (TransferError,)),
            Launch(program, runtime, jobs, machine, way_back, environments),
            JobLog(store, runtime.caution, jobs, Usage(store, runtime, jobs, machine)),
        )
        return cls(store, controller)

    def register(self, operations: Operations, catalog: Catalog) -> None:
        """Writes Stop and Delete."""

        async def stop(context: Context, request: Document) -> Document:
            """API StopCompilationJob. Stopping a job that is stopping already changes nothing."""

            def work(transaction: Transaction) -> None:
                row = catalog.find(transaction, context.world, catalog[KIND], request)
                if row.state in progress.TERMINAL or row.state == "Deleting":
                    raise validation(f"The request was rejected because the compilation job is in status {row.state}.")
                if row.state != "STOPPING":
                    status = progress.stopping(row.status)
                    saved = replace(row, state="STOPPING", status=status, modified=context.now, due=context.now)
                    transaction.resources.save(saved)

            await self.store.write(work)
            return {}

        async def delete(context: Context, request: Document) -> Document:
            """API DeleteCompilationJob: only of a job that has ended. The controller removes row and files."""

            def work(transaction: Transaction) -> None:
                row = catalog.find(transaction, context.world, catalog[KIND], request)
                if row.state == "Deleting":
                    return
                if row.state not in progress.TERMINAL:
                    raise validation(f"The compilation job {row.arn} cannot be deleted in status {row.state}. Stop it first.")
                transaction.resources.save(replace(row, state="Deleting", modified=context.now, due=context.now))

            await self.store.write(work)
            return {}

        operations.write(SERVICE, "StopCompilationJob", stop)
        operations.write(SERVICE, "DeleteCompilationJob", delete)

    async def open(self) -> None:
        """Adopts what runs."""
        await self.controller.adopt()

    async def reset(self) -> None:
        """Forgets every job, when rows and run folders are deleted behind the controller's back (test hooks)."""
        await self.controller.reset()

    async def close(self) -> None:
        """Ends what runs in this process; containers go on and are adopted by the next control."""
        await self.controller.close()
