"""What every kind of jobs stands on, and what is made of it for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagewright.compute.environments.folder import Environments
from sagewright.compute.environments.place import Place
from sagewright.compute.placement import Machine
from sagewright.compute.runtime import Runtime
from sagewright.compute.slots import Slots
from sagewright.compute.utilisation import SAMPLE_SECONDS
from sagewright.compute.way_back import WayBack
from sagewright.jobs.following import Following
from sagewright.jobs.launch import Launch, Program
from sagewright.jobs.log import Digesting, JobLog, nothing_else
from sagewright.jobs.synchronised import Part, Synchronised
from sagewright.jobs.usage import Usage
from sagewright.jobs.workshop import Workshop
from sagewright.kernel.errands import Errands
from sagewright.objects.s3 import Objects
from sagewright.objects.transfer import TransferError
from sagewright.store.database import Store
from sagewright.store.rows import Identity, Resource


@dataclass(frozen=True, slots=True)
class Ground:
    """Made once by the composition root.

    ``jobs`` is settings.jobs, ``slots`` are shared by all kinds of jobs, ``wake`` tells the loop to look at a row.
    ``hold_describe`` and ``metrics_seconds`` are settings.
    """

    store: Store
    runtime: Runtime
    objects: Objects
    way_back: WayBack
    jobs: Path
    environments: Environments
    slots: Slots
    machine: Machine
    wake: Callable[[Identity], None]
    hold_describe: float = 0.0
    metrics_seconds: float = SAMPLE_SECONDS

    def workshop(
        self,
        kind: str,
        terminal: Collection[str],
        program: Callable[[Resource], Program],
        bring: Callable[[Resource], Awaitable[None]],
        deliver: Callable[[Resource, bool], Awaitable[None]],
        *,
        failure: str = "output/failure",
        synchronised: Callable[[Mapping[str, Any]], Mapping[str, Part]] = lambda spec: {},
        packages: Callable[[Resource], Awaitable[Place]] | None = None,
        digest: Digesting = nothing_else,
    ) -> Workshop:
        """Of a kind of jobs; for the arguments see Workshop, Launch, Synchronised and JobLog."""
        usage = Usage(self.store, self.runtime, self.jobs, self.machine, self.metrics_seconds)
        log = JobLog(self.store, self.runtime.caution, self.jobs, usage, digest)
        return Workshop(
            kind,
            terminal,
            self.store,
            self.runtime,
            self.jobs,
            self.slots,
            Errands(self.wake, (TransferError,)),
            Launch(program, self.runtime, self.jobs, self.machine, self.way_back, self.environments, self.slots, packages),
            Following(log, Synchronised(self.objects, self.jobs, self.store.clock, synchronised)),
            bring,
            deliver,
            failure,
        )
