"""Composition of compilation jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sagewright.features.compilation.delivery import Delivery
from sagewright.features.compilation.intake import Intake
from sagewright.features.compilation.job import program
from sagewright.features.compilation.plan import COURSE, PROGRESS, created
from sagewright.features.compilation.rules import check
from sagewright.jobs.controller import JobController
from sagewright.jobs.endings import Endings
from sagewright.jobs.ground import Ground
from sagewright.jobs.sight import JobSight
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Operations

KIND = "CompilationJob"


@dataclass(slots=True)
class Compilation:
    """Controller, rules and written operations."""

    controller: JobController[JobSight]

    rules: ClassVar[Mapping[str, tuple[Rule, ...]]] = {"CreateCompilationJob": (check,)}
    quirks: ClassVar[Mapping[str, Mapping[str, Any]]] = {KIND: {"fills": (created,)}}

    @classmethod
    def compose(cls, ground: Ground) -> Compilation:
        """What the composition root constructs."""
        bring, send = Intake(ground.objects, ground.jobs).bring, Delivery(ground.objects, ground.jobs).send
        workshop = ground.workshop(KIND, PROGRESS.terminal, program, bring, send)
        return cls(JobController(workshop, COURSE, workshop.look))

    def register(self, engine: Engine, operations: Operations) -> None:
        """Writes Stop and Delete."""
        endings = Endings.of(PROGRESS, engine, KIND, refusal="ValidationException")
        operations.write_all(SERVICE, endings.handlers())

    async def open(self) -> None:
        """Adopts what runs."""
        await self.controller.workshop.adopt()

    async def reset(self) -> None:
        """Forgets every job, when rows and run folders are deleted behind the controller's back (test hooks)."""
        await self.controller.workshop.reset()

    async def close(self) -> None:
        """Ends what runs in this process; containers go on and are adopted by the next control."""
        await self.controller.workshop.close()
