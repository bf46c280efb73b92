"""Endpoints as one part: what the composition root makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sagewright.compute.placement import GIB, Machine
from sagewright.features.hosting import metrics
from sagewright.features.hosting.controller import KIND, VOLUME_GB, EndpointController
from sagewright.features.hosting.demand import IDLE, Demand
from sagewright.features.hosting.models import Models
from sagewright.features.hosting.operations import EndpointOperations
from sagewright.features.hosting.publish import Publisher, route_key
from sagewright.features.hosting.rules import RULES
from sagewright.features.hosting.waking import Waking
from sagewright.kernel.engine import Engine
from sagewright.kernel.feature import Feature
from sagewright.kernel.operation import Operations
from sagewright.objects.s3 import Objects
from sagewright.serving.ensemble import Replicas
from sagewright.serving.model_store import ModelStore, room
from sagewright.serving.usage import ReplicaUsage
from sagewright.signals.alarms import AlarmStates
from sagewright.store.database import Store
from sagewright.store.rows import Identity

SERVICE = "sagemaker"


class Hosting(Feature):
    """Controller, rules and written operations of endpoints.

    ``jobs`` is the folder of run folders, ``routes`` the snapshot that front reads, ``alarms`` tells the states of alarms.
    """

    rules = RULES

    def __init__(
        self,
        store: Store,
        containers: Replicas,
        jobs: Path,
        routes: Path,
        machine: Machine,
        objects: Objects,
        mounts: bool = True,
        alarms: AlarmStates = lambda *_: {},
        usage: ReplicaUsage | None = None,
        *,
        told: Callable[[Identity], None] = lambda identity: None,
        serverless_idle: float = IDLE,
    ) -> None:
        """``mounts``: containers see folders at other paths than this machine's. ``usage`` measures what the replicas use, where that
        is wanted. ``told`` wakes the loop for a row."""
        self._store = store
        self._alarms = alarms
        self.publisher = Publisher(routes)
        self.models = Models(self.publisher, ModelStore(objects, room(VOLUME_GB * GIB, jobs)), mounts)
        demand = Demand(serverless_idle)
        self.controller: EndpointController = EndpointController(
            store, containers, self.publisher, jobs, machine, alarms, usage, demand
        )
        self.waking = Waking(store, self.publisher, demand, told)

    def register(self, engine: Engine, operations: Operations) -> None:
        written = EndpointOperations(engine.catalog, self._store, self._alarms)
        operations.write(SERVICE, "UpdateEndpoint", written.update)
        operations.write(SERVICE, "UpdateEndpointWeightsAndCapacities", written.resize)
        operations.write(SERVICE, "DeleteEndpoint", written.delete)

    async def open(self) -> None:
        """Before the loop starts: drops the routes of endpoints that are gone. Those that are there write their own."""
        unsettled = await self._store.read(lambda transaction: transaction.resources.unsettled([KIND]))
        self.publisher.open({route_key(world, name) for (world, _, name), _ in unsettled})

    async def record_use(self, body: bytes) -> None:
        """Takes one ``use`` message of a front."""
        self.waking.use(body)
        await metrics.record_use(self._store, body, self.publisher.serverless)

    async def record_invocations(self, body: bytes) -> None:
        """Takes one ``invocations`` message of a front."""
        await metrics.record_invocations(self._store, body, self.publisher.instances, self.publisher.frequency)

    async def close(self) -> None:
        """Ends what is on its way; replicas go on."""
        await self.models.close()
