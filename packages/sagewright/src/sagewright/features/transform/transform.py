"""Transform jobs as one part: what the composition root makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sagewright.compute.placement import Machine
from sagewright.compute.slots import Slots
from sagewright.features.transform.controller import KIND, TransformController
from sagewright.features.transform.progress import TERMINAL
from sagewright.features.transform.rules import QUIRKS, RULES
from sagewright.jobs.endings import Endings
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.errands import Errands
from sagewright.kernel.feature import Feature
from sagewright.kernel.operation import Operations
from sagewright.objects.s3 import Objects
from sagewright.serving.ensemble import Replicas
from sagewright.store.database import Store
from sagewright.store.rows import Identity


class Transform(Feature):
    """Controller, rules and written operations of transform jobs.

    ``jobs`` is the folder of run folders, ``slots`` the places shared with other kinds of jobs, ``told`` wakes the loop for a row.
    """

    rules = RULES
    quirks = QUIRKS

    def __init__(
        self,
        store: Store,
        containers: Replicas,
        objects: Objects,
        jobs: Path,
        machine: Machine,
        slots: Slots,
        told: Callable[[Identity], None],
    ) -> None:
        self.controller: TransformController = TransformController(
            store, containers, objects, Errands(told), jobs, machine, slots
        )

    def register(self, engine: Engine, operations: Operations) -> None:
        operations.write(SERVICE, f"Stop{KIND}", Endings(engine, KIND, TERMINAL).stop)

    async def reset(self) -> None:
        await self.controller.reset()

    async def close(self) -> None:
        await self.controller.close()
