"""Composition of processing: what the composition root constructs, and the only file here that knows all the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sagewright.compute.environments.folder import Environments
from sagewright.compute.oci.own_images import OwnImages
from sagewright.compute.placement import Machine
from sagewright.compute.runtime import Runtime
from sagewright.compute.slots import Slots
from sagewright.compute.way_back import WayBack
from sagewright.features.processing.answers import Answers
from sagewright.features.processing.controller import ProcessingController
from sagewright.features.processing.delivery import Delivery
from sagewright.features.processing.intake import Intake
from sagewright.features.processing.kinds import QUIRKS
from sagewright.features.processing.operations import ProcessingOperations
from sagewright.features.processing.program import program
from sagewright.features.processing.sources import synchronised
from sagewright.jobs.launch import Launch
from sagewright.jobs.log import JobLog
from sagewright.jobs.synchronised import Synchronised
from sagewright.jobs.usage import SAMPLE_SECONDS, Usage
from sagewright.kernel.engine import Engine
from sagewright.kernel.errands import Errands
from sagewright.kernel.operation import Operations
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import TransferError
from sagewright.store.database import Store
from sagewright.store.rows import Identity

__all__ = ["QUIRKS", "Processing"]


@dataclass(slots=True)
class Processing:
    """Controller, rules and written operations of processing jobs. ``hold_describe`` in seconds (settings.hold_describe)."""

    controller: ProcessingController
    own_images: OwnImages
    hold_describe: float

    @classmethod
    def compose(
        cls,
        *,
        store: Store,
        runtime: Runtime,
        objects: Objects,
        way_back: WayBack,
        jobs: Path,
        tables: Path,
        environments: Environments,
        wake: Callable[[Identity], None],
        slots: Slots,
        machine: Machine,
        hold_describe: float = 0.0,
        metrics_seconds: float = SAMPLE_SECONDS,
    ) -> Processing:
        """``jobs`` is settings.jobs, ``tables`` settings.tables; ``wake`` tells the loop to look at a row; ``slots`` are shared with other kinds of jobs."""
        controller = ProcessingController(
            store,
            runtime,
            jobs,
            slots,
            Errands(wake, (TransferError,)),
            Intake(objects, jobs, environments, Answers(objects, tables)),
            Launch(program, runtime, jobs, machine, way_back, environments, slots),
            JobLog(store, runtime.caution, jobs, Usage(store, runtime, jobs, machine, metrics_seconds)),
            Synchronised(objects, jobs, store.clock, synchronised),
            Delivery(objects, jobs),
        )
        return cls(controller, environments.own_images, hold_describe)

    def install(self, engine: Engine, operations: Operations) -> None:
        """Registers the operations written by hand."""
        ProcessingOperations.install(engine, operations, self.own_images, self.hold_describe)

    async def open(self) -> None:
        """Adopts what runs, before anything may be started: two jobs must not be given the same GPU."""
        await self.controller.adopt()

    async def reset(self) -> None:
        """Forgets every job, when rows and run folders are deleted behind the controller's back (test hooks)."""
        await self.controller.reset()

    async def close(self) -> None:
        """Ends what runs in this process; containers go on and are adopted by the next control."""
        await self.controller.close()
