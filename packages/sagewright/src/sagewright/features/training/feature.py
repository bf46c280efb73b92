"""Composition of training: what the composition root constructs, and the only file here that knows all the others."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from sagewright.base.world import World
from sagewright.features.training.controller import TrainingController
from sagewright.features.training.delivery import Delivery
from sagewright.features.training.directories import Directories
from sagewright.features.training.intake import Intake
from sagewright.features.training.interruption import NotInterruptible, interrupt
from sagewright.features.training.kinds import QUIRKS
from sagewright.features.training.metrics import Metrics
from sagewright.features.training.operations import KIND, TrainingOperations
from sagewright.features.training.packages import Packages
from sagewright.features.training.pools import Pools
from sagewright.features.training.program import program
from sagewright.features.training.progress import TERMINAL
from sagewright.features.training.prospects import NO_LIMITS, Prospects, Terms
from sagewright.features.training.synchronised import synchronised
from sagewright.jobs.ground import Ground
from sagewright.kernel.engine import Engine
from sagewright.kernel.feature import Feature
from sagewright.kernel.operation import Operations

__all__ = ["NotInterruptible", "Terms", "Training"]


class Training(Feature):
    """``terms`` are those of capacity, ``file_systems`` is settings.registered_file_systems."""

    quirks = QUIRKS

    def __init__(
        self,
        ground: Ground,
        terms: Terms = NO_LIMITS,
        file_systems: Mapping[str, tuple[Path, bool]] = MappingProxyType({}),
    ) -> None:
        self._ground = ground
        directories, packages = Directories(file_systems), Packages(ground.environments, ground.jobs)
        pools, metrics = Pools(ground.store, ground.jobs), Metrics()
        workshop = ground.workshop(
            KIND,
            TERMINAL,
            partial(program, directories),
            Intake(ground.runtime, ground.objects, ground.jobs, packages, pools, directories).bring,
            Delivery(ground.objects, ground.jobs).send,
            synchronised=synchronised,
            packages=packages.found,
            digest=metrics.digest,
        )
        prospects = Prospects(ground.store, ground.slots, pools, ground.machine, terms)
        self.controller: TrainingController = TrainingController(workshop, prospects, metrics)

    def register(self, engine: Engine, operations: Operations) -> None:
        TrainingOperations.install(engine, operations, self._ground, self.controller.prospects.terms)

    async def open(self) -> None:
        """Before anything may be started: two jobs must not be given the same GPU."""
        await self.controller.adopt()

    async def interrupt(self, world: World, name: str) -> None:
        """Takes the instances of a managed spot training job away. Raises NotInterruptible."""
        await interrupt(self._ground.store, world, name)

    async def reset(self) -> None:
        await self.controller.reset()

    async def close(self) -> None:
        await self.controller.close()
