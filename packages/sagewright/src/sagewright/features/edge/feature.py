"""Composition of the edge: packaging jobs, deployment plans and what devices ask. Fleets and devices themselves are records."""

from __future__ import annotations

from collections.abc import Mapping

from sagewright.features.edge.controller import PackagingController
from sagewright.features.edge.deployments import Deployments
from sagewright.features.edge.device_api import EDGE, DeviceApi
from sagewright.features.edge.plan import TERMINAL
from sagewright.features.edge.rules import check_fleet, check_packaging
from sagewright.jobs.endings import Endings
from sagewright.jobs.ground import Ground
from sagewright.jobs.progress import CAPITALS
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.errands import Errands
from sagewright.kernel.feature import Feature, Quirks
from sagewright.kernel.kind import Reference, Rule
from sagewright.kernel.operation import Operations

KIND = "EdgePackagingJob"

_RULES: Mapping[str, tuple[Rule, ...]] = {
    "CreateEdgePackagingJob": (check_packaging,),
    "CreateDeviceFleet": (check_fleet,),
    "UpdateDeviceFleet": (check_fleet,),
}
_QUIRKS: Quirks = {
    "EdgeDeploymentPlan": {
        "references": (
            Reference("DeviceFleetName", "DeviceFleet"),
            Reference("ModelConfigs[].EdgePackagingJobName", "EdgePackagingJob"),
        )
    }
}


class Edge(Feature):
    """Controller, rules and written operations. ``master`` is the secret from which the signing keys follow."""

    rules = _RULES
    quirks = _QUIRKS

    def __init__(self, ground: Ground, master: str) -> None:
        errands = Errands(ground.wake)
        self.controller: PackagingController = PackagingController(ground.store, ground.objects, ground.jobs, errands, master)

    def register(self, engine: Engine, operations: Operations) -> None:
        """Writes what cannot be derived, of both services."""
        endings = Endings(engine, KIND, TERMINAL, CAPITALS.stopping)
        operations.write_all(SERVICE, {**Deployments(engine).handlers(), f"Stop{KIND}": endings.stop})
        operations.write_all(EDGE, DeviceApi(engine, self.controller.master).handlers())

    async def reset(self) -> None:
        await self.controller.close()

    async def close(self) -> None:
        await self.controller.close()
