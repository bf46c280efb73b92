"""What control is made of, and how the parts are tied together. The one place where every feature and neighbour is named."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagewright.base.clock import SystemClock
from sagewright.base.world import World
from sagewright.compute import trees
from sagewright.compute.capabilities import choose
from sagewright.compute.environments.folder import Environments
from sagewright.compute.host import Host
from sagewright.compute.oci.own_images import OwnImages
from sagewright.compute.placement import Machine
from sagewright.compute.retirement import run_folders
from sagewright.compute.runtime import Runtime
from sagewright.compute.slots import Slots
from sagewright.compute.way_back import WayBack
from sagewright.compute.zygote import Zygote
from sagewright.features.asynchronous.feature import Asynchronous
from sagewright.features.capture.delivery import Delivery
from sagewright.features.compilation.feature import compilation
from sagewright.features.components.components import Components
from sagewright.features.edge.feature import Edge
from sagewright.features.experiments.experiments import Experiments
from sagewright.features.hosting.hosting import Hosting
from sagewright.features.hosting.publish import Publisher
from sagewright.features.optimization.feature import optimization
from sagewright.features.processing.feature import processing
from sagewright.features.recommendations.loader import LoadProcess
from sagewright.features.recommendations.recommendations import Recommendations
from sagewright.features.records import registration as records
from sagewright.features.training.feature import Terms, Training
from sagewright.features.transform.transform import Transform
from sagewright.features.tuning.tuning import Tuning
from sagewright.jobs.ground import Ground
from sagewright.kernel.api import Api
from sagewright.kernel.client import LocalClient
from sagewright.kernel.controller import Controller
from sagewright.kernel.engine import Engine
from sagewright.kernel.feature import Feature, controllers, quirks, rules
from sagewright.kernel.loop import Loop
from sagewright.kernel.operation import Operations
from sagewright.neighbours import services
from sagewright.neighbours.autoscaling.autoscaling import Autoscaling
from sagewright.objects.buckets import empty
from sagewright.objects.s3 import Objects
from sagewright.objects.signing import Keys
from sagewright.serving import pulled
from sagewright.serving.containers import Containers
from sagewright.serving.ensemble import Replicas
from sagewright.serving.gpus import Gpus
from sagewright.serving.members import check_model
from sagewright.serving.usage import COMPONENTS, ReplicaUsage
from sagewright.settings import Settings, interruptions
from sagewright.signals import alarms
from sagewright.store.database import Store
from sagewright.store.rows import Identity, Resource
from sagewright.wire.credentials import Keyring


@dataclass(slots=True)
class Parts:
    """The parts of control. ``start`` after ``open``, ``close`` at the end; all once."""

    settings: Settings
    store: Store
    operations: Operations
    engine: Engine
    api: Api
    runtime: Runtime
    environments: Environments
    features: tuple[Feature, ...]
    training: Training
    hosting: Hosting
    capture: Delivery
    neighbours: tuple[Controller[Any, Any], ...]
    containers: Containers
    objects: Objects
    loop: Loop

    @classmethod
    async def open(cls, settings: Settings) -> Parts:
        """Opens the store and ties everything together; nothing runs yet."""
        clock, hints = SystemClock(), _Hints()
        store = await Store.open(settings.database_url, clock)
        keyring = Keyring.open(settings.credentials, settings.account, settings.region)
        ground = _ground(settings, store, keyring, hints)
        gpus = Gpus(settings.run / "gpus", ground.machine.gpus, ground.slots.taken)
        containers = Containers(ground.runtime, ground.objects, store, hints, ground.way_back, ground.environments, gpus)
        operations = Operations()
        api = Api(operations, clock)
        client, replicas = LocalClient(api), Replicas(containers)

        training, hosting = _training(settings, ground), _hosting(settings, ground, replicas)
        capture = Delivery(store, ground.objects, settings.captured)
        features = (hosting, capture, training, *_features(settings, ground, keyring, client, replicas, hosting.publisher))
        engine = _engine(settings, ground, operations, keyring, features)
        records.register(engine, operations, ground.objects)
        for feature in features:
            feature.register(engine, operations)
        neighbours = _neighbours(settings, ground, operations, keyring, client)
        # The event bus hears of what the loop writes.
        hints.loop = loop = Loop(store, [*controllers(features), *neighbours], announce=services.announce(engine.catalog))
        return cls(
            settings=settings,
            store=store,
            operations=operations,
            engine=engine,
            api=api,
            runtime=ground.runtime,
            environments=ground.environments,
            features=features,
            training=training,
            hosting=hosting,
            capture=capture,
            neighbours=neighbours,
            containers=containers,
            objects=ground.objects,
            loop=loop,
        )

    async def start(self) -> None:
        """Adopts what runs and begins to make the rows true."""
        self._warm()
        await self._open()
        await self.loop.start()

    async def close(self) -> None:
        """Ends what runs in this process; containers go on and are adopted by the next control."""
        await self.loop.close()
        for feature in reversed(self.features):
            await feature.close()
        await services.close(self.neighbours)
        await self.containers.close()
        await self.store.close()
        if isinstance(self.runtime, Zygote):
            self.runtime.close()

    async def reset(self) -> None:
        """Empties every account, S3 included (test hooks)."""
        await self.loop.close()
        for feature in reversed(self.features):
            await feature.reset()
        await services.close(self.neighbours)
        await self.containers.close()
        try:
            await asyncio.to_thread(_remove_containers, self.runtime, self.settings.jobs)
            await self.store.empty()
            await asyncio.to_thread(self.environments.own_images.layout.empty)
            await empty(self.objects)
        finally:
            await self._open()
            await self.loop.start()

    async def _open(self) -> None:
        for feature in self.features:
            await feature.open()

    def _warm(self) -> None:
        """Starts the zygotes that the settings ask for; their imports go on beside everything else."""
        if isinstance(self.runtime, Zygote):
            for image in filter(None, self.settings.prewarm.split(",")):
                python = self.environments.interpreter(image)
                if python is not None:  # else its first job builds it
                    self.runtime.warm(image, python)


def _ground(settings: Settings, store: Store, keyring: Keyring, hints: _Hints) -> Ground:
    """What every feature stands on."""
    this, here = Host(settings.sockets, (settings.data, settings.sockets)), Machine.here()
    own_images = OwnImages(settings.registry, settings.layers)
    return Ground(
        store=store,
        runtime=choose(settings.runtime, this, settings.zygote_idle),
        objects=Objects(settings.url, Keys(keyring.access_key, keyring.secret), settings.region),
        way_back=WayBack(settings.address, settings.url, keyring, store.clock),
        jobs=settings.jobs,
        environments=Environments(settings.environments, images=settings.images, own_images=own_images),
        slots=Slots.of(here),
        machine=here,
        wake=hints,
        hold_describe=settings.hold_describe,
        metrics_seconds=settings.metrics_seconds,
    )


def _features(
    settings: Settings, ground: Ground, keyring: Keyring, client: LocalClient, replicas: Replicas, routes: Publisher
) -> tuple[Feature, ...]:
    """Those that nobody else asks for anything."""
    store, objects, slots, here = ground.store, ground.objects, ground.slots, ground.machine
    load = LoadProcess(objects, ground.way_back, settings.data / "loads")
    return (
        _components(settings, ground, replicas, routes),
        Asynchronous(store, objects, routes.entry, routes.entries, settings.data / "asynchronous"),
        Experiments(store, client),
        Recommendations(store, client, load, settings.recommender_seconds, ground.wake),
        Tuning(store, client, ground.wake),
        processing(ground, settings.tables),
        Transform(store, replicas, objects, ground.jobs, here, slots, ground.wake),
        compilation(ground),
        optimization(ground),
        Edge(ground, keyring.master),
    )


def _training(settings: Settings, ground: Ground) -> Training:
    """Training jobs, with the account's limits and the market for spot instances."""
    terms = Terms(settings.limits == "aws", settings.spot_price, interruptions(settings.spot_interruptions))
    return Training(ground, terms, settings.registered_file_systems)


def _hosting(settings: Settings, ground: Ground, replicas: Replicas) -> Hosting:
    """Endpoints."""
    return Hosting(
        ground.store,
        replicas,
        ground.jobs,
        settings.routes,
        ground.machine,
        ground.objects,
        _mounts(ground),
        alarms.states,
        ReplicaUsage(ground.store, ground.runtime, settings.metrics_seconds),
        told=ground.wake,
        serverless_idle=settings.serverless_idle,
    )


def _components(settings: Settings, ground: Ground, replicas: Replicas, routes: Publisher) -> Components:
    """Inference components."""
    return Components(
        ground.store,
        replicas,
        routes,
        ground.jobs,
        ground.machine,
        ground.objects,
        ground.wake,
        mounts=_mounts(ground),
        alarms=alarms.states,
        usage=ReplicaUsage(ground.store, ground.runtime, settings.metrics_seconds, COMPONENTS),
    )


def _mounts(ground: Ground) -> bool:
    """Whether containers see folders at other paths than this machine's."""
    return ground.runtime.name != "process"


def _engine(
    settings: Settings, ground: Ground, operations: Operations, keyring: Keyring, features: Collection[Feature]
) -> Engine:
    """Everything that follows from the service model, with what the features say about it.

    A kind of work that no controller makes true refuses Create.
    """
    return Engine(
        ground.store,
        operations,
        controllers=[controller.kind for controller in controllers(features)],
        rules={**rules(features), "CreateModel": (check_model, pulled.rule(ground.environments.own_images))},
        quirks=quirks(features),
        made=_Directories(settings.data / "homes"),
        secret=hashlib.sha256(b"page tokens" + keyring.master.encode()).digest(),
    )


def _neighbours(
    settings: Settings, ground: Ground, operations: Operations, keyring: Keyring, client: LocalClient
) -> tuple[Controller[Any, Any], ...]:
    """Registers their operations; their controllers."""
    store, layout, anywhere = ground.store, ground.environments.own_images.layout, settings.sns_endpoints == "any"
    scaling = Autoscaling(store, client, settings.scaling_period)
    found = services.neighbours(store, keyring, layout, settings.url, anywhere=anywhere)
    for service, handlers in {**found, "application-autoscaling": scaling.operations()}.items():
        operations.write_all(service, handlers)
    return (*services.controllers(store, ground.wake, anywhere=anywhere), *scaling.controllers)


def _remove_containers(runtime: Runtime, jobs: Path) -> None:
    for run in run_folders(jobs):
        runtime.remove(run)
    for folder in jobs.iterdir():
        trees.remove(folder)


class _Hints:
    """Hands news to the loop, which is made last because it needs the controllers."""

    def __init__(self) -> None:
        self.loop: Loop | None = None

    def __call__(self, identity: Identity) -> None:
        if self.loop is not None:
            self.loop.hint(identity)


class _Directories:
    """Makes the home folders of domains and user profiles; a record of them is a place to keep files."""

    def __init__(self, homes: Path) -> None:
        self._homes = homes

    def __call__(self, resource: Resource) -> None:
        if resource.kind in ("Domain", "UserProfile", "Space"):
            self.of(resource.world, *resource.key.split("/")).mkdir(parents=True, exist_ok=True)

    def of(self, world: World, *names: str) -> Path:
        return self._homes.joinpath(world.account, world.region, *names)
