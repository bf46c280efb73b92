"""Composition of training: what the composition root constructs, and the only file here that knows all the others.

engine = Engine(store, operations, controllers={"TrainingJob", …}, quirks={**training.QUIRKS, …})
training = Training.compose(store=store, …)
training.install(engine, operations)
loop over training.controller; at the end ``await training.close()``
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from sagewright.base.world import World
from sagewright.compute.environments.folder import Environments
from sagewright.compute.oci.own_images import OwnImages
from sagewright.compute.placement import Machine
from sagewright.compute.runtime import Runtime
from sagewright.compute.slots import Slots
from sagewright.compute.way_back import WayBack
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
from sagewright.jobs.launch import Launch
from sagewright.jobs.usage import SAMPLE_SECONDS, Usage
from sagewright.kernel.engine import Engine
from sagewright.kernel.errands import Errands
from sagewright.kernel.operation import Operations
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import TransferError
from sagewright.store.database import Store
from sagewright.store.rows import Identity
from sagewright.wire.credentials import Keyring

__all__ = ["QUIRKS", "NotInterruptible", "Terms", "Training"]


@dataclass(slots=True)
class Training:
    """``hold_describe`` in seconds (settings.hold_describe)."""

    controller: TrainingController
    objects: Objects
    own_images: OwnImages
    hold_describe: float

    @classmethod
    def compose(
        cls,
        *,
        store: Store,
        runtime: Runtime,
        objects: Objects,
        keyring: Keyring,
        jobs: Path,
        environments: Environments,
        endpoint_url: str,
        wake: Callable[[Identity], None],
        hold_describe: float = 0.0,
        metrics_seconds: float = SAMPLE_SECONDS,
        slots: Slots | None = None,
        machine: Machine | None = None,
        terms: Terms = NO_LIMITS,
        file_systems: Mapping[str, tuple[Path, bool]] = MappingProxyType({}),
    ) -> Training:
        """``jobs`` is settings.jobs, ``endpoint_url`` where containers reach this server; ``wake`` tells the loop to look at a row.

        ``slots`` may be shared with other kinds of jobs. ``terms`` are those of capacity, ``file_systems`` is
        settings.registered_file_systems.
        """
        directories = Directories(file_systems)
        packages = Packages(environments, jobs)
        here, front = machine or Machine.here(), urlsplit(endpoint_url)
        way_back = WayBack((front.hostname or "127.0.0.1", front.port or 80), endpoint_url, keyring, store.clock)
        shared = slots or Slots.of(here)
        pools = Pools(store, jobs)
        controller = TrainingController(
            runtime,
            jobs,
            shared,
            Prospects(store, shared, pools, here, terms),
            Errands(wake, (TransferError,)),
            Intake(runtime, objects, jobs, packages, pools, directories),
            Launch(partial(program, directories), runtime, jobs, here, way_back, environments, shared, packages.found),
            Watch.compose(store, runtime.caution, objects, jobs, Usage(store, runtime, jobs, here, metrics_seconds)),
            Delivery(objects, jobs),
        )
        return cls(controller, objects, environments.own_images, hold_describe)

    def install(self, engine: Engine, operations: Operations) -> None:
        """Registers the operations written by hand."""
        terms = self.controller.prospects.terms
        TrainingOperations.install(engine, operations, self.objects, self.own_images, self.hold_describe, terms)

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
