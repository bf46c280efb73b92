"""The controller of a kind of jobs that are some containers from their input to their output."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic

from sagewright.jobs.course import Course, JobPlan, Seen
from sagewright.jobs.sight import Action
from sagewright.jobs.workshop import Workshop
from sagewright.store.rows import Resource


@dataclass(slots=True)
class JobController(Generic[Seen]):
    """See kernel.controller.Controller. ``see`` is one look, which the workshop helps with; ``course`` plans."""

    workshop: Workshop
    course: Course[Seen]
    see: Callable[[Resource], Awaitable[Seen]]
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        self.kind = self.workshop.kind

    async def observe(self, resource: Resource) -> Seen:
        return await self.see(resource)

    def plan(self, resource: Resource, observed: Seen, now: float) -> JobPlan:
        return self.course.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        await self.workshop.perform(resource, action)
