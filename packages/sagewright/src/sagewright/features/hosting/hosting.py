"""Endpoints as one part: what the composition root makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sagewright.compute.placement import Machine
from sagewright.features.hosting import metrics
from sagewright.features.hosting.controller import KIND, EndpointController
from sagewright.features.hosting.operations import EndpointOperations
from sagewright.features.hosting.publish import Publisher, route_key
from sagewright.features.hosting.rules import RULES
from sagewright.features.hosting.usage import ReplicaUsage
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Operations
from sagewright.serving.containers import Containers
from sagewright.store.database import Store

SERVICE = "sagemaker"


class Hosting:
    """Controller, rules and written operations of endpoints.

    ``jobs`` is the folder of run folders, ``routes`` the snapshot that front reads.
    """

    rules: Mapping[str, tuple[Rule, ...]] = RULES

    def __init__(
        self,
        store: Store,
        containers: Containers,
        jobs: Path,
        routes: Path,
        machine: Machine,
        usage: ReplicaUsage | None = None,
    ) -> None:
        """``usage`` measures what the replicas use, where that is wanted."""
        self._store = store
        self._publisher = Publisher(routes)
        self.controller = EndpointController(store, containers, self._publisher, jobs, machine, usage)

    def register(self, operations: Operations, catalog: Catalog) -> None:
        """Writes the operations that are not derived."""
        written = EndpointOperations(catalog, self._store)
        operations.write(SERVICE, "UpdateEndpoint", written.update)
        operations.write(SERVICE, "UpdateEndpointWeightsAndCapacities", written.resize)
        operations.write(SERVICE, "DeleteEndpoint", written.delete)

    async def open(self) -> None:
        """Before the loop starts: drops the routes of endpoints that are gone. Those that are there write their own."""
        unsettled = await self._store.read(lambda transaction: transaction.resources.unsettled([KIND]))
        self._publisher.open({route_key(world, name) for (world, _, name), _ in unsettled})

    async def record_invocations(self, body: bytes) -> None:
        """Takes one ``invocations`` message of a front."""
        await metrics.record_invocations(self._store, body, self._publisher.instances)
