"""Makes endpoints true: looks at their replicas, asks plan.py, and does what it says."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

from sagewright.compute import trees
from sagewright.compute.placement import Machine, limits
from sagewright.features.hosting import blueprint
from sagewright.features.hosting import plan as planning
from sagewright.features.hosting.deployment import Deployment, Fleet, Place, VariantFleet
from sagewright.features.hosting.publish import Publisher
from sagewright.features.hosting.sight import Act, Action, Clear, Publish, Routed, Sight, Unpublish
from sagewright.features.hosting.usage import Measured, ReplicaUsage
from sagewright.kernel.controller import Plan
from sagewright.serving.containers import Containers
from sagewright.serving.definition import Undeployable
from sagewright.serving.unit import Unit
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource

KIND = "Endpoint"
VOLUME_GB = 30
"""What an instance of an endpoint has for its model and its log where nothing else is said (API ProductionVariant: VolumeSizeInGB)."""


class EndpointController:
    """See the module docstring. ``jobs`` is the folder of all run folders."""

    kind = KIND

    def __init__(
        self,
        store: Store,
        containers: Containers,
        publisher: Publisher,
        jobs: Path,
        machine: Machine,
        usage: ReplicaUsage | None = None,
    ) -> None:
        self._store = store
        self._containers = containers
        self._publisher = publisher
        self._jobs = jobs
        self._machine = machine
        self._usage = usage

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
            await self._usage.measure(resource, self._serving(resource, deployment.active))
        attempts = deployment.attempts()
        looks = [self._containers.look(self._unit(resource, place, attempt)) for place, attempt in attempts]
        return Sight(dict(zip(attempts, await asyncio.gather(*looks), strict=True)), wanted, refusal)

    def plan(self, resource: Resource, observed: Sight, now: float) -> Plan[Action]:
        """See plan.py."""
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        """Does one action."""
        match action:
            case Act(move, place, attempt, variant):
                await self._containers.act(move, self._unit(resource, place, attempt, variant))
            case Publish(variants, capture):
                routes = [self._route(resource, routed) for routed in variants]
                self._publisher.put(resource.world, resource.key, resource.arn, routes, capture)
            case Unpublish():
                self._publisher.drop(resource.world, resource.key)
            case Clear():
                await asyncio.to_thread(trees.remove, self._folder(resource))

    def _serving(self, resource: Resource, fleet: Fleet | None) -> list[Measured]:
        """The replicas that serve, for usage.py."""
        return [
            Measured(
                variant.name,
                self._unit(resource, fleet.place(variant, slot), slot.attempt).run,
                limits(variant.instance_type, VOLUME_GB, self._machine),
            )
            for variant in (fleet.variants if fleet is not None else ())
            for slot in variant.slots
            if fleet is not None and slot.served
        ]

    def _route(self, resource: Resource, routed: Routed) -> Document:
        units = [self._unit(resource, place, attempt) for place, attempt in routed.replicas]
        addresses = [self._containers.address(unit)._asdict() for unit in units]
        route: Document = {"name": routed.variant.name, "weight": routed.variant.weight, "replicas": addresses}
        if routed.variant.routing == "RANDOM":
            route["routing"] = "RANDOM"
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
            limits=limits(variant.instance_type, VOLUME_GB, self._machine),
        )

    def _folder(self, resource: Resource) -> Path:
        return self._jobs / "endpoint" / resource.world.account / resource.world.region / resource.key


def _fleet(resource: Resource, transaction: Transaction) -> Fleet:
    return blueprint.fleet(transaction, resource)


def _instance_id(resource: Resource, place: Place, attempt: int) -> str:
    """Looks like EC2's; the same replica always has the same."""
    digest = hashlib.sha256(f"{resource.arn}/{resource.created}/{place}/{attempt}".encode()).hexdigest()
    return f"i-{digest[:17]}"
