"""Composition of the edge: packaging jobs, deployment plans and what devices ask. Fleets and devices themselves are records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from sagewright.features.edge.controller import PackagingController
from sagewright.features.edge.deployments import Deployments
from sagewright.features.edge.device_api import EDGE, DeviceApi
from sagewright.features.edge.plan import TERMINAL
from sagewright.features.edge.rules import check_fleet, check_packaging
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.errands import Errands
from sagewright.kernel.kind import Reference, Rule
from sagewright.kernel.operation import Context, Handler, Operations
from sagewright.objects.s3 import Objects
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Identity
from sagewright.wire.credentials import Keyring
from sagewright.wire.errors import validation

KIND = "EdgePackagingJob"


@dataclass(slots=True)
class Edge:
    """Controller, rules and written operations."""

    store: Store
    controller: PackagingController

    rules: ClassVar[Mapping[str, tuple[Rule, ...]]] = {
        "CreateEdgePackagingJob": (check_packaging,),
        "CreateDeviceFleet": (check_fleet,),
        "UpdateDeviceFleet": (check_fleet,),
    }
    quirks: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "EdgeDeploymentPlan": {
            "references": (
                Reference("DeviceFleetName", "DeviceFleet"),
                Reference("ModelConfigs[].EdgePackagingJobName", "EdgePackagingJob"),
            )
        }
    }

    @classmethod
    def compose(cls, *, store: Store, objects: Objects, keyring: Keyring, jobs: Path, wake: Callable[[Identity], None]) -> Edge:
        """``jobs`` is settings.jobs; ``wake`` tells the loop to look at a row."""
        return cls(store, PackagingController(store, objects, jobs, Errands(wake), keyring.master))

    def register(self, engine: Engine, operations: Operations) -> None:
        """Writes what cannot be derived, of both services."""
        for name, handler in {**Deployments(engine).handlers(), "StopEdgePackagingJob": self._stop(engine)}.items():
            operations.write(SERVICE, name, handler)
        for name, handler in DeviceApi(engine, self.controller.master).handlers().items():
            operations.write(EDGE, name, handler)

    async def reset(self) -> None:
        """Forgets every job, when rows and folders are deleted behind the controller's back (test hooks)."""
        await self.controller.close()

    async def close(self) -> None:
        """Ends what runs; the next control begins it again."""
        await self.controller.close()

    def _stop(self, engine: Engine) -> Handler:
        async def stop(context: Context, request: Document) -> Document:
            """API StopEdgePackagingJob. Stopping a job that is stopping already changes nothing."""

            def work(transaction: Transaction) -> None:
                row = engine.catalog.find(transaction, context.world, engine.catalog[KIND], request)
                if row.state in TERMINAL:
                    raise validation(f"The request was rejected because the edge packaging job is in status {row.state}.")
                if row.state != "STOPPING":
                    transaction.resources.save(replace(row, state="STOPPING", modified=context.now, due=context.now))

            await self.store.write(work)
            return {}

        return stop
