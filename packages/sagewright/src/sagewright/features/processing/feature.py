"""Composition of processing: what the composition root constructs, and the only file here that knows all the others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sagewright.features.processing.answers import Answers
from sagewright.features.processing.delivery import Delivery
from sagewright.features.processing.intake import Intake
from sagewright.features.processing.kinds import QUIRKS
from sagewright.features.processing.look import Look
from sagewright.features.processing.operations import KIND, ProcessingOperations
from sagewright.features.processing.outcome import PROGRESS
from sagewright.features.processing.plan import COURSE
from sagewright.features.processing.program import program
from sagewright.features.processing.sight import Sight
from sagewright.features.processing.sources import synchronised
from sagewright.jobs.controller import JobController
from sagewright.jobs.ground import Ground
from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Operations

__all__ = ["QUIRKS", "Processing"]


@dataclass(slots=True)
class Processing:
    """Controller, rules and written operations of processing jobs."""

    ground: Ground
    controller: JobController[Sight]

    @classmethod
    def compose(cls, ground: Ground, tables: Path) -> Processing:
        """``tables`` is settings.tables."""
        intake = Intake(ground.objects, ground.jobs, ground.environments, Answers(ground.objects, tables))
        send = Delivery(ground.objects, ground.jobs).send
        # A container says nothing of its failure but its message, which is no sign of when it failed.
        workshop = ground.workshop(KIND, PROGRESS.terminal, program, intake.bring, send, failure="", synchronised=synchronised)
        return cls(ground, JobController(workshop, COURSE, Look(workshop)))

    def register(self, engine: Engine, operations: Operations) -> None:
        """Registers the operations written by hand."""
        ProcessingOperations.install(engine, operations, self.ground.environments.own_images, self.ground.hold_describe)

    async def open(self) -> None:
        """Adopts what runs, before anything may be started: two jobs must not be given the same GPU."""
        await self.controller.workshop.adopt()

    async def reset(self) -> None:
        """Forgets every job, when rows and run folders are deleted behind the controller's back (test hooks)."""
        await self.controller.workshop.reset()

    async def close(self) -> None:
        """Ends what runs in this process; containers go on and are adopted by the next control."""
        await self.controller.workshop.close()
