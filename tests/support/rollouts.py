"""An endpoint whose row is planned again and again over a clock of its own, with a world that does what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sagewright.base.world import World
from sagewright.compute.runtime import Observed
from sagewright.features.hosting.deployment import Deployment, Fleet, Place, VariantFleet
from sagewright.features.hosting.plan import plan
from sagewright.features.hosting.sight import Publish, Sight
from sagewright.kernel.controller import Plan
from sagewright.serving.step import Slot
from sagewright.serving.unit import Seen
from sagewright.store.rows import Resource
from support import serving
from support.jobs import archive, bucket, wait_for_endpoint
from support.server import ROLE, XGBOOST, Server

NOW = 1_800_000_000.0
RUNNING = Observed("running", started=NOW - 10)
HEALTHY = Seen(model="ready", container=RUNNING, healthy=True)
CRASHED = Seen(model="ready", container=Observed("exited", code=1, started=NOW - 1, ended=NOW))
GONE = Seen(model="ready", container=Observed("exited", code=0, started=NOW - 10, ended=NOW))


def variant(name: str = "AllTraffic", count: int = 1, weight: float = 1.0, *, served: bool = False) -> VariantFleet:
    slots = tuple(Slot(index, served=served) for index in range(count))
    return VariantFleet(name, "model", {"Image": "image:1"}, weight, "ml.m5.large", slots=slots)


def blue_green(kind: str, wait: int = 0, end: int = 0, timeout: int | None = None, **sizes: dict[str, Any]) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait, **sizes},
        "TerminationWaitInSeconds": end,
    }
    if timeout:
        policy["MaximumExecutionTimeoutInSeconds"] = timeout
    return {"BlueGreenUpdatePolicy": policy, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "high"}]}}


def rolling(
    batch: dict[str, Any], wait: int = 0, back: dict[str, Any] | None = None, timeout: int | None = None
) -> dict[str, Any]:
    policy: dict[str, Any] = {"MaximumBatchSize": batch, "WaitIntervalInSeconds": wait}
    if back:
        policy["RollbackMaximumBatchSize"] = back
    if timeout:
        policy["MaximumExecutionTimeoutInSeconds"] = timeout
    return {"RollingUpdatePolicy": policy, "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "high"}]}}


def deploy(server: Server, endpoint: str) -> Any:
    """An endpoint with two instances that predicts its input; the configuration ``<endpoint>-3`` predicts three times as much."""
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    store = bucket(server, "rollouts")
    for factor in (1, 3):
        name = f"{endpoint}-{factor}"
        s3.put_object(Bucket=store, Key=f"{name}.tar.gz", Body=archive({"xgboost-model": serving.xgboost_model(float(factor))}))
        container = {"Image": XGBOOST, "ModelDataUrl": f"s3://{store}/{name}.tar.gz"}
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[serving.variant(model=name, count=2)])
    sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=f"{endpoint}-1")
    assert wait_for_endpoint(sagemaker, endpoint)["EndpointStatus"] == "InService"
    return sagemaker


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def instances(value: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": value}


class Play:
    """An endpoint in service with ``old`` that is updated to ``new``. ``look`` says what is seen of a replica."""

    def __init__(self, config: dict[str, Any], old: tuple[VariantFleet, ...], new: tuple[VariantFleet, ...]) -> None:
        active = Fleet(1, "config-1", old)
        self.now = NOW
        self.wanted = Fleet(2, "config-2", new)
        self.alarms: tuple[str, ...] = ()
        self.look: Callable[[Place], Seen] = lambda _: HEALTHY
        self.publish: Publish | None = None
        self.row = Resource(
            World("123456789012", "us-east-1"),
            "Endpoint",
            "e",
            state="Updating",
            spec={"Generation": 2, "DeploymentConfig": config},
            status={"Deployment": Deployment(active=active, generation=1).document()},
        )

    @property
    def deployment(self) -> Deployment:
        return Deployment.of(self.row.status)

    def turn(self) -> Plan[Any]:
        """One look, as the loop takes it; kill -9 between two of them loses nothing but what is in memory."""
        deployment = self.deployment
        fresh = deployment.generation < self.row.spec["Generation"]
        leaving = {(leaving.place, leaving.attempt): leaving for leaving in deployment.leaving}
        seen = {key: GONE if key in leaving and leaving[key].asked else self.look(key[0]) for key in deployment.attempts()}
        planned = plan(self.row, Sight(seen, self.wanted if fresh else None, "", self.alarms), self.now)
        self.row = replace(self.row, status=planned.status or self.row.status, state=planned.state or self.row.state)
        self.publish = next((action for action in planned.actions if isinstance(action, Publish)), self.publish)
        return planned

    def settle(self) -> None:
        """Looks until there is nothing to do now."""
        for _ in range(50):
            planned = self.turn()
            if planned.due is None or (planned.due > self.now and planned.status is None):
                return
        raise AssertionError("it does not come to rest")

    def after(self, seconds: float) -> Play:
        """Time passes, and it looks."""
        self.now += seconds
        self.settle()
        return self

    @property
    def shares(self) -> list[float]:
        """What each variant's new fleet gets."""
        assert self.publish is not None
        return [round(routed.share, 4) for routed in self.publish.variants]

    @property
    def counts(self) -> tuple[int, int]:
        """Instances of the active fleet, and of the target."""
        fleets = (self.deployment.active, self.deployment.target)
        old, new = (sum(len(variant.slots) for variant in fleet.variants) if fleet else 0 for fleet in fleets)
        return old, new

    @property
    def stage(self) -> str:
        """Of the first pending variant."""
        pending = self.row.status.get("PendingDeploymentSummary")
        return str(pending["ProductionVariants"][0]["VariantStatus"][0]["Status"]) if pending else ""

    @property
    def words(self) -> str:
        return str(self.row.status["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantStatus"][0]["StatusMessage"])
