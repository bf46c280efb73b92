"""Composition of training: what the composition root constructs, and the only file here that knows all the others.

engine = Engine(store, operations, controllers={"TrainingJob", …}, quirks={**training.QUIRKS, …})
training = Training.compose(ground)
training.register(engine, operations)
loop over training.controller; at the end ``await training.close()``
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
from sagewright.features.training.operations import TrainingOperations
from sagewright.features.training.packages import Packages
from sagewright.features.training.pools import Pools
from sagewright.features.training.program import program
from sagewright.features.training.prospects import NO_LIMITS, Prospects, Terms
from sagewright.features.training.watch import Watch
from sagewright.jobs.ground import Ground
from sagewright.jobs.launch import Launch
from sagewright.jobs.usage import Usage
from sagewright.kernel.engine import Engine
from sagewright.kernel.errands import Errands
from sagewright.kernel.operation import Operations
from sagewright.objects.transfer import TransferError

__all__ = ["QUIRKS", "NotInterruptible", "Terms", "Training"]


@dataclass(slots=True)
class Training:
    """Controller and written operations of training jobs."""

    ground: Ground
    controller: TrainingController

    @classmethod
    def compose(
        cls,
        ground: Ground,
        terms: Terms = NO_LIMITS,
        file_systems: Mapping[str, tuple[Path, bool]] = MappingProxyType({}),
    ) -> Training:
        """``terms`` are those of capacity, ``file_systems`` is settings.registered_file_systems."""
        store, runtime, objects, jobs, slots, here = (
            ground.store,
            ground.runtime,
            ground.objects,
            ground.jobs,
            ground.slots,
            ground.machine,
        )
        directories = Directories(file_systems)
        packages = Packages(ground.environments, jobs)
        pools = Pools(store, jobs)
        started = partial(program, directories)
        controller = TrainingController(
            runtime,
            jobs,
            slots,
            Prospects(store, slots, pools, here, terms),
            Errands(ground.wake, (TransferError,)),
            Intake(runtime, objects, jobs, packages, pools, directories),
            Launch(started, runtime, jobs, here, ground.way_back, ground.environments, slots, packages.found),
            Watch.compose(store, runtime.caution, objects, jobs, Usage(store, runtime, jobs, here, ground.metrics_seconds)),
            Delivery(objects, jobs),
        )
        return cls(ground, controller)

    def register(self, engine: Engine, operations: Operations) -> None:
        """Registers the operations written by hand."""
        TrainingOperations.install(engine, operations, self.ground, self.controller.prospects.terms)

    async def open(self) -> None:
        """Adopts what runs, before anything may be started: two jobs must not be given the same GPU."""
        await self.controller.adopt()

    async def interrupt(self, world: World, name: str) -> None:
        """Takes the instances of a managed spot training job away. Raises NotInterruptible."""
        await interrupt(self.controller.prospects.store, world, name)

    async def reset(self) -> None:
        """Forgets every job, when rows and run folders are deleted behind the controller's back (test hooks)."""
        await self.controller.reset()

    async def close(self) -> None:
        """Ends what runs in this process; containers go on and are adopted by the next control."""
        await self.controller.close()
