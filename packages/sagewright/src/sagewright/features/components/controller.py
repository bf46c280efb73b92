"""Makes inference components true: looks at their copies, asks plan.py, and does what it says."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sagewright.compute import trees
from sagewright.compute.placement import Machine, serving_limits
from sagewright.features.components import adapter_plan, blueprint, rolling
from sagewright.features.components import plan as planning
from sagewright.features.components.adapter import Abandon, AdapterSight, Answer, Load, Unload, base_of
from sagewright.features.components.adapters import Adapters, Routes
from sagewright.features.components.copies import Copies, Crew
from sagewright.features.components.registrar import Registrar
from sagewright.features.components.sight import Act, Action, Clear, Drop, Key, Publish, Sight, Unpublish
from sagewright.kernel.controller import Plan
from sagewright.serving.definition import Undeployable
from sagewright.serving.ensemble import Replicas
from sagewright.serving.model_cache import held
from sagewright.serving.unit import Unit
from sagewright.serving.usage import Measured, ReplicaUsage
from sagewright.signals.alarms import AlarmStates
from sagewright.store.database import Store
from sagewright.store.rows import Document, Identity, Resource

KIND = blueprint.KIND
FOLDER = "inference-component"
CACHE = ".cache"
"""Below a component's folder: the model of each generation that keeps it."""
VOLUME_GB = 30
"""Room for a copy's model and log."""


class ComponentController:
    """See the module docstring. ``jobs`` is the folder of all run folders."""

    kind = KIND

    def __init__(
        self,
        store: Store,
        replicas: Replicas,
        routes: Routes,
        jobs: Path,
        machine: Machine,
        registrar: Registrar,
        told: Callable[[Identity], None],
        alarms: AlarmStates,
        usage: ReplicaUsage | None = None,
    ) -> None:
        self._store = store
        self._replicas = replicas
        self._routes = routes
        self._jobs = jobs
        self._machine = machine
        self._alarms = alarms
        self._usage = usage
        self._adapters = Adapters(store, registrar, routes, self._unit, self._route, told)

    async def observe(self, resource: Resource) -> Sight | AdapterSight:
        """Every copy that may have something on disk, and what there is room for."""
        if base_of(resource):
            return await self._adapters.observe(resource)
        view, refusal = blueprint.View(), ""
        if resource.state not in ("Deleting", "Failed"):
            try:
                view = await self._store.read(lambda transaction: blueprint.view(transaction, resource))
            except Undeployable as problem:
                refusal = str(problem)
        copies = Copies.of(resource.status)
        await self._measure(resource, copies)
        if refusal and copies.active is not None:
            view = view._replace(room=len(copies.active.slots))  # what runs goes on, whatever has become of its model
        keys = copies.attempts()
        seen = await asyncio.gather(*(self._replicas.look(self._unit(resource, key)) for key in keys))
        kept = await asyncio.to_thread(held, self._folder(resource) / CACHE)
        return Sight(
            dict(zip(keys, seen, strict=True)),
            view.room,
            view.wanted,
            refusal,
            await self._gone_off(resource, copies),
            frozenset(int(name) for name in kept if name.isdigit()),  # a removal that was cut off leaves other names
            view.instances,
        )

    async def _measure(self, resource: Resource, copies: Copies) -> None:
        """What the copies use, as often as the endpoint's MetricsConfig says, and for each container where that is wanted."""
        if self._usage is None:
            return
        config = await self._store.read(lambda transaction: blueprint.metrics_config(transaction, resource))
        crews = [crew for crew in (copies.active, copies.target) if crew is not None]
        found = [
            self._measured(resource, (crew.generation, slot.index, slot.attempt), crew.definition, config)
            for crew in crews
            for slot in crew.slots
            if slot.served
        ]
        await self._usage.measure(resource, found, float(config.get("MetricPublishFrequencyInSeconds", 0)))

    def _measured(self, resource: Resource, key: Key, definition: Document, config: Document) -> Measured:
        unit = self._unit(resource, key, definition)
        alone = {"InferenceComponentName": resource.name}
        told: tuple[Document, ...] = (alone,)
        if config.get("EnableEnhancedMetrics"):
            place = {"EndpointName": resource.spec["EndpointName"], "VariantName": definition["Variant"], **alone}
            named = {"InstanceId": _instance_id(resource, key), "ContainerId": _container_id(resource, key)}
            told += ({**place, **named},)
        return Measured(unit, unit.limits, told)

    async def _gone_off(self, resource: Resource, copies: Copies) -> tuple[str, ...]:
        """Alarms of the update that goes forward."""
        names = rolling.alarms(copies.rollout.config) if copies.rollout and not copies.rollout.back else ()
        if not names:
            return ()
        states = await self._store.read(lambda transaction: self._alarms(transaction, resource.world, names))
        return tuple(name for name in names if states.get(name) == "ALARM")

    def plan(self, resource: Resource, observed: Sight | AdapterSight, now: float) -> Plan[Action | adapter_plan.Action]:
        """See plan.py and adapter_plan.py."""
        made: Plan[Any] = (
            adapter_plan.plan(resource, observed, now)
            if isinstance(observed, AdapterSight)
            else planning.plan(resource, observed, now)
        )
        return made

    async def perform(self, resource: Resource, action: Action | adapter_plan.Action) -> None:
        """Does one action."""
        match action:
            case Load() | Unload() | Answer() | Abandon():
                await self._adapters.perform(resource, action)
            case Act(move, key, definition):
                await self._replicas.act(move, self._unit(resource, key, definition))
            case Publish(copies, variant):
                routes = [self._route(resource, key) for key in copies]
                entry = {"name": resource.key, "variant": variant, "replicas": routes}
                if self._routes.put_component(resource.world, resource.spec["EndpointName"], resource.key, entry):
                    await self._adapters.hint(resource)
            case Unpublish():
                self._routes.put_component(resource.world, resource.spec["EndpointName"], resource.key, None)
            case Drop(generation):
                await self._replicas.drop(self._folder(resource) / CACHE / str(generation))
            case Clear():
                await self._replicas.drop(self._folder(resource) / CACHE)
                await asyncio.to_thread(trees.remove, self._folder(resource))

    def _route(self, resource: Resource, key: Key) -> Document:
        """The copy as fronts know it."""
        named = {"instance": _instance_id(resource, key), "container": _container_id(resource, key)}
        return self._replicas.route(self._unit(resource, key)) | named

    def _unit(self, resource: Resource, key: Key, definition: Document | None = None) -> Unit:
        """The copy as serving knows it; what it starts from is needed only to start it."""
        generation, index, attempt = key
        account, region = resource.world
        variant = definition["Variant"] if definition else resource.spec.get("VariantName", "")
        unit = Unit(
            identity=resource.identity,
            home=self._folder(resource) / f"{generation}-{index}",
            key=f"{FOLDER}/{account}/{region}/{resource.key}/{generation}/{index}/{attempt}",
            attempt=attempt,
            group=f"/aws/sagemaker/InferenceComponents/{resource.key}",
            stream=f"{variant}/{_instance_id(resource, key)}",
        )
        if definition is None:
            return unit
        found = serving_limits(definition["InstanceType"], VOLUME_GB, self._machine)
        cpus = min(definition["Cpus"], found.cpus or definition["Cpus"]) or found.cpus
        memory = min(definition["Memory"], found.memory or definition["Memory"]) or found.memory
        return replace(
            unit,
            container=definition["Container"],
            role=definition["Role"],
            isolated=definition["Isolated"],
            download_timeout=float(definition["DownloadTimeout"]),
            limits=replace(found, cpus=cpus, memory=memory, gpus=min(found.gpus, definition.get("Accelerators", 0))),
            adapts="Containers" not in definition["Container"],
            kept=self._folder(resource) / CACHE / str(generation) if Crew(generation, definition).keeps else None,
        )

    def _folder(self, resource: Resource) -> Path:
        return self._jobs / FOLDER / resource.world.account / resource.world.region / resource.key


def _instance_id(resource: Resource, key: Key) -> str:
    """Looks like EC2's; the same copy always has the same."""
    return f"i-{_digest(resource, key)[:17]}"


def _container_id(resource: Resource, key: Key) -> str:
    """Looks like Docker's; of one attempt of a copy."""
    return hashlib.sha256(f"container {_digest(resource, key)}".encode()).hexdigest()


def _digest(resource: Resource, key: Key) -> str:
    return hashlib.sha256(f"{resource.arn}/{resource.created}/{key}".encode()).hexdigest()
