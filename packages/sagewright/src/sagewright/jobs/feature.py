"""A kind of jobs that are some containers from their input to their output, as one part of control."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sagewright.jobs.controller import JobController
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.feature import Feature, Quirks
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Handler, Operations


class JobFeature(Feature):
    """``written`` are the operations that do not follow from the service model, by name."""

    def __init__(
        self,
        controller: JobController[Any],
        written: Callable[[Engine, Operations], Mapping[str, Handler]],
        *,
        rules: Mapping[str, Sequence[Rule]],
        quirks: Quirks,
    ) -> None:
        self.controller: JobController[Any] = controller
        self.rules = rules
        self.quirks = quirks
        self._written = written
        self._workshop = controller.workshop

    def register(self, engine: Engine, operations: Operations) -> None:
        operations.write_all(SERVICE, self._written(engine, operations))

    async def open(self) -> None:
        """Before anything may be started: two jobs must not be given the same GPU."""
        await self._workshop.adopt()

    async def reset(self) -> None:
        await self._workshop.reset()

    async def close(self) -> None:
        await self._workshop.close()
