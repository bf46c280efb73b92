"""Inference components as one part: what the composition root makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sagewright.compute.placement import Machine
from sagewright.features.components.adapters import Routes
from sagewright.features.components.controller import ComponentController
from sagewright.features.components.operations import ComponentOperations
from sagewright.features.components.registrar import Registrar
from sagewright.features.components.rules import QUIRKS, RULES
from sagewright.kernel.engine import Engine
from sagewright.kernel.errands import Errands
from sagewright.kernel.feature import Feature
from sagewright.kernel.operation import Operations
from sagewright.objects.s3 import Objects
from sagewright.serving.ensemble import Replicas
from sagewright.serving.usage import ReplicaUsage
from sagewright.signals.alarms import AlarmStates
from sagewright.store.database import Store
from sagewright.store.rows import Identity

SERVICE = "sagemaker"


class Components(Feature):
    """Controller, rules and written operations of inference components. ``routes`` is where fronts find their copies.

    ``mounts``: containers see folders at other paths than this machine's. ``told`` wakes the loop for a row,
    ``alarms`` tells the states of CloudWatch's alarms. ``usage`` measures what the copies use, where that is wanted.
    """

    rules = RULES
    quirks = QUIRKS

    def __init__(
        self,
        store: Store,
        replicas: Replicas,
        routes: Routes,
        jobs: Path,
        machine: Machine,
        objects: Objects,
        told: Callable[[Identity], None],
        *,
        mounts: bool = True,
        alarms: AlarmStates = lambda *_: {},
        usage: ReplicaUsage | None = None,
    ) -> None:
        self._store = store
        self._alarms = alarms
        self._errands = Errands(told)
        registrar = Registrar(replicas, objects, self._errands, mounts)
        self.controller: ComponentController = ComponentController(
            store, replicas, routes, jobs, machine, registrar, told, alarms, usage
        )

    def register(self, engine: Engine, operations: Operations) -> None:
        written = ComponentOperations(engine.catalog, self._store, self._alarms)
        operations.write(SERVICE, "UpdateInferenceComponent", written.update)
        operations.write(SERVICE, "UpdateInferenceComponentRuntimeConfig", written.resize)
        operations.write(SERVICE, "DeleteInferenceComponent", written.delete)

    async def reset(self) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends what is on its way; copies go on."""
        await self._errands.close()
