"""Makes endpoints true: looks at their replicas, asks plan.py, and does what it says."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from sagewright.compute import trees
from sagewright.compute.placement import Machine, serving_limits
from sagewright.compute.runtime import Limits, Observed
from sagewright.features.hosting import blueprint, managed, serverless
from sagewright.features.hosting import plan as planning
from sagewright.features.hosting.demand import Demand, Wanted
from sagewright.features.hosting.deployment import Deployment, Fleet, Place, VariantFleet
from sagewright.features.hosting.metrics_config import is_enhanced, of_use
from sagewright.features.hosting.publish import Publisher
from sagewright.features.hosting.sight import Act, Action, Clear, Publish, Routed, Sight, Unpublish
from sagewright.kernel.controller import Plan
from sagewright.serving.definition import Undeployable
from sagewright.serving.ensemble import Replicas, route_members
from sagewright.serving.hosts import is_host
from sagewright.serving.step import Slot
from sagewright.serving.unit import Seen, Unit
from sagewright.serving.usage import Measured, ReplicaUsage
from sagewright.signals.alarms import AlarmStates
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource

KIND = "Endpoint"
VOLUME_GB = 30
"""What an instance of an endpoint has for its model and its log where nothing else is said (API ProductionVariant: VolumeSizeInGB)."""


class EndpointController:
    """See the module docstring. ``jobs`` is the folder of all run folders, ``alarms`` tells the states of CloudWatch's alarms."""

    kind = KIND

    def __init__(
        self,
        store: Store,
        containers: Replicas,
        publisher: Publisher,
        jobs: Path,
        machine: Machine,
        alarms: AlarmStates,
        usage: ReplicaUsage | None = None,
        demand: Demand | None = None,
    ) -> None:
        self.demand = demand or Demand()
        self._store = store
        self._containers = containers
        self._publisher = publisher
        self._jobs = jobs
        self._machine = machine
        self._usage = usage
        self._alarms = alarms

    async def observe(self, resource: Resource) -> Sight:
        """Every replica that may have something on disk, and what a new generation would deploy."""
        deployment = Deployment.of(resource.status)
        wanted, refusal = None, ""
        if resource.state != "Deleting" and resource.spec.get("Generation", 1) > deployment.generation:
            try:
                wanted = await self._store.read(partial(_fleet, resource))
            except Undeployable as problem:
                refusal = str(problem)
        if self._usage is not None:
            every = of_use(deployment.active.metrics) if deployment.active else 0.0
            await self._usage.measure(resource, self._serving(resource, deployment.active), every)
        attempts = deployment.attempts()
        instances = _instances(deployment)
        looks = [self._look(resource, place, attempt, instances) for place, attempt in attempts]
        seen = dict(zip(attempts, await asyncio.gather(*looks), strict=True))
        alarms = await self._gone_off(resource, deployment)
        needed = await self._needed(resource, deployment)
        return Sight(seen, wanted, refusal, alarms, self._demanded(resource, deployment), needed)

    def _demanded(self, resource: Resource, deployment: Deployment) -> Mapping[str, Wanted]:
        """Of the serverless variants that serve."""
        variants = deployment.active.variants if deployment.active is not None else ()
        now = self._store.clock.now()
        return {
            variant.name: self.demand.wanted((resource.world, resource.key, variant.name), variant.awake, now)
            for variant in variants
            if variant.serverless
        }

    def plan(self, resource: Resource, observed: Sight, now: float) -> Plan[Action]:
        """See plan.py."""
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        """Does one action."""
        match action:
            case Act(move, place, attempt, variant):
                if variant is not None and is_host(variant.container):
                    return  # only room for inference components: there is nothing to start
                await self._containers.act(move, self._unit(resource, place, attempt, variant))
            case Publish(variants, shadows, capture, asynchronous, metrics):
                routes = [self._route(resource, routed) for routed in variants]
                copies = [self._route(resource, routed) | {"share": routed.share} for routed in shadows]
                extra = {"shadow": copies, "capture": capture, "async": asynchronous, "metrics": metrics}
                self._publisher.put(resource.world, resource.key, resource.arn, routes, extra)
            case Unpublish():
                self._publisher.drop(resource.world, resource.key)
            case Clear():
                for name in Deployment.of(resource.status).names():
                    self.demand.forget((resource.world, resource.key, name))
                await asyncio.to_thread(trees.remove, self._folder(resource))

    def _serving(self, resource: Resource, fleet: Fleet | None) -> list[Measured]:
        """The replicas that serve, for serving/usage.py."""
        return [
            self._measured(resource, fleet, variant, slot)
            for variant in (fleet.everything if fleet is not None else ())
            for slot in variant.slots
            if fleet is not None and slot.served and not is_host(variant.container)
        ]

    def _measured(self, resource: Resource, fleet: Fleet, variant: VariantFleet, slot: Slot) -> Measured:
        place = fleet.place(variant, slot)
        dimensions = {"EndpointName": resource.name, "VariantName": variant.name}
        told: tuple[Document, ...] = (dimensions,)
        if is_enhanced(fleet.metrics):
            told += ({**dimensions, "InstanceId": _instance_id(resource, place, slot.attempt)},)
        return Measured(self._unit(resource, place, slot.attempt), self._limits(variant), told)

    async def _needed(self, resource: Resource, deployment: Deployment) -> Mapping[str, int]:
        """What the components on managed variants need; while another fleet is to take over, nothing changes."""
        active = deployment.active
        if active is None or deployment.target is not None or resource.state == "Deleting":
            return {}
        return await self._store.read(lambda transaction: managed.needed(transaction, resource, active))

    async def _gone_off(self, resource: Resource, deployment: Deployment) -> tuple[str, ...]:
        """The alarms of the deployment under way that are in state ALARM."""
        rollout = deployment.rollout
        names = rollout.policy.alarms if rollout is not None and rollout.step and not rollout.back else ()
        if not names:
            return ()
        states = await self._store.read(lambda transaction: self._alarms(transaction, resource.world, names))
        return tuple(name for name in names if states.get(name) == "ALARM")

    async def _look(self, resource: Resource, place: Place, attempt: int, instances: Collection[Place]) -> Seen:
        """An instance that only gives room to inference components has no container, and is always there."""
        if place in instances:
            return Seen("ready", "", Observed("running"), healthy=True)
        return await self._containers.look(self._unit(resource, place, attempt))

    def _route(self, resource: Resource, routed: Routed) -> Document:
        if is_host(routed.variant.container):
            return {"name": routed.variant.name, "weight": routed.variant.weight, "replicas": [], "hosts": len(routed.replicas)}
        replicas = [
            self._containers.route(self._unit(resource, *replica)) | {"instance": _instance_id(resource, *replica)}
            for replica in routed.replicas
        ]
        route = {"name": routed.variant.name, "weight": routed.variant.weight, "replicas": replicas}
        route |= route_members(routed.variant.container)
        if routed.variant.serverless:
            route["serverless"] = serverless.route(routed.variant.serverless)
        if routed.variant.routing == "RANDOM":
            route["routing"] = "RANDOM"
        if routed.config:
            route["config"] = routed.config
        if routed.green is not None:
            route["green"] = {**self._route(resource, routed.green), "share": routed.share}
        return route

    def _unit(self, resource: Resource, place: Place, attempt: int, variant: VariantFleet | None = None) -> Unit:
        """The replica as serving.containers knows it; what it starts from is needed only to start it."""
        folder = self._folder(resource) / str(place)
        account, region = resource.world
        unit = Unit(
            identity=resource.identity,
            home=folder,
            key=f"endpoint/{account}/{region}/{resource.key}/{place.generation}/{place.variant}/{place.index}/{attempt}",
            attempt=attempt,
            group=f"/aws/sagemaker/Endpoints/{resource.key}",
            stream=f"{place.variant}/{_instance_id(resource, place, attempt)}",
        )
        if variant is None:
            return unit
        return replace(
            unit,
            container=variant.container,
            role=variant.role,
            isolated=variant.isolated,
            download_timeout=variant.download_timeout,
            limits=self._limits(variant),
        )

    def _limits(self, variant: VariantFleet) -> Limits:
        """What a container of the variant may use."""
        if variant.serverless:
            return serverless.limits(variant.serverless, self._machine)
        return serving_limits(variant.instance_type, variant.volume or VOLUME_GB, self._machine)

    def _folder(self, resource: Resource) -> Path:
        return self._jobs / "endpoint" / resource.world.account / resource.world.region / resource.key


def _fleet(resource: Resource, transaction: Transaction) -> Fleet:
    return blueprint.fleet(transaction, resource)


def _instances(deployment: Deployment) -> set[Place]:
    fleets = [fleet for fleet in (deployment.active, deployment.target) if fleet is not None]
    variants = [(fleet, variant) for fleet in fleets for variant in fleet.everything if is_host(variant.container)]
    return {fleet.place(variant, slot) for fleet, variant in variants for slot in variant.slots}


def _instance_id(resource: Resource, place: Place, attempt: int) -> str:
    """Looks like EC2's; the same replica always has the same."""
    digest = hashlib.sha256(f"{resource.arn}/{resource.created}/{place}/{attempt}".encode()).hexdigest()
    return f"i-{digest[:17]}"
