"""Composition of the edge: packaging jobs, deployment plans and what devices ask. Fleets and devices themselves are records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sagewright.features.edge.controller import PackagingController
from sagewright.features.edge.deployments import Deployments
from sagewright.features.edge.device_api import EDGE, DeviceApi
from sagewright.features.edge.plan import TERMINAL
from sagewright.features.edge.rules import check_fleet, check_packaging
from sagewright.jobs.endings import Endings
from sagewright.jobs.ground import Ground
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.errands import Errands
from sagewright.kernel.kind import Reference, Rule
from sagewright.kernel.operation import Operations

KIND = "EdgePackagingJob"


@dataclass(slots=True)
class Edge:
    """Controller, rules and written operations."""

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
    def compose(cls, ground: Ground, master: str) -> Edge:
        """``master`` is the secret from which the signing keys follow."""
        return cls(PackagingController(ground.store, ground.objects, ground.jobs, Errands(ground.wake), master))

    def register(self, engine: Engine, operations: Operations) -> None:
        """Writes what cannot be derived, of both services."""
        endings = Endings(engine, KIND, TERMINAL, "STOPPING")
        operations.write_all(SERVICE, {**Deployments(engine).handlers(), f"Stop{KIND}": endings.stop})
        operations.write_all(EDGE, DeviceApi(engine, self.controller.master).handlers())

    async def open(self) -> None:
        """Nothing is adopted: what was under way begins again."""

    async def reset(self) -> None:
        """Forgets every job, when rows and folders are deleted behind the controller's back (test hooks)."""
        await self.controller.close()

    async def close(self) -> None:
        """Ends what runs; the next control begins it again."""
        await self.controller.close()
