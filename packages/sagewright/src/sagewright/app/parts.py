"""What control is made of, and how the parts are tied together. The one place where every feature and neighbour is named."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
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
from sagewright.features.compilation.feature import Compilation
from sagewright.features.components.components import Components
from sagewright.features.edge.feature import Edge
from sagewright.features.experiments.experiments import Experiments
from sagewright.features.hosting.hosting import Hosting
from sagewright.features.hosting.publish import Publisher
from sagewright.features.hosting.usage import ReplicaUsage
from sagewright.features.optimization.feature import Optimization
from sagewright.features.processing import feature as processing
from sagewright.features.recommendations.loader import LoadProcess
from sagewright.features.recommendations.recommendations import Recommendations
from sagewright.features.records import registration as records
from sagewright.features.training import feature as training
from sagewright.features.transform.transform import Transform
from sagewright.features.tuning.tuning import Tuning
from sagewright.jobs.ground import Ground
from sagewright.kernel.api import Api
from sagewright.kernel.client import LocalClient
from sagewright.kernel.controller import Controller
from sagewright.kernel.engine import Engine
from sagewright.kernel.loop import Loop
from sagewright.kernel.operation import Operations
from sagewright.neighbours import services
from sagewright.neighbours.autoscaling.autoscaling import Autoscaling
from sagewright.neighbours.requests import Handlers
from sagewright.objects.buckets import empty
from sagewright.objects.s3 import Objects
from sagewright.objects.signing import Keys
from sagewright.serving import pulled
from sagewright.serving.containers import Containers
from sagewright.serving.ensemble import Replicas
from sagewright.settings import Settings, interruptions
from sagewright.signals import alarms
from sagewright.store.database import Store
from sagewright.store.rows import Identity, Resource
from sagewright.wire.credentials import Keyring

CONTROLLED = frozenset(
    {
        "TrainingJob",
        "ProcessingJob",
        "Endpoint",
        "TransformJob",
        "HyperParameterTuningJob",
        "InferenceComponent",
        "InferenceExperiment",
        "CompilationJob",
        "InferenceRecommendationsJob",
        "EdgePackagingJob",
        "OptimizationJob",
    }
)
"""The kinds of work that a controller makes true; every other kind of work refuses Create."""


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
    training: training.Training
    processing: processing.Processing
    hosting: Hosting
    components: Components
    asynchronous: Asynchronous
    transform: Transform
    tuning: Tuning
    compilation: Compilation
    optimization: Optimization
    recommendations: Recommendations
    edge: Edge
    capture: Delivery
    neighbours: tuple[Controller[Any, Any], ...]
    containers: Containers
    objects: Objects
    loop: Loop

    @classmethod
    async def open(cls, settings: Settings) -> Parts:
        """Opens the store and ties everything together; nothing runs yet."""
        clock = SystemClock()
        store = await Store.open(settings.database_url, clock)
        keyring = Keyring.open(settings.credentials, settings.account, settings.region)
        objects = Objects(settings.url, Keys(keyring.access_key, keyring.secret), settings.region)
        this = Host(settings.sockets, (settings.data, settings.sockets))
        runtime = choose(settings.runtime, this, settings.zygote_idle)
        here = Machine.here()
        slots = Slots.of(here)
        hints = _Hints()

        way_back = WayBack(settings.address, settings.url, keyring, clock)
        own_images = OwnImages(settings.registry, settings.layers)
        environments = Environments(settings.environments, images=settings.images, own_images=own_images)
        containers = Containers(runtime, objects, store, hints, way_back, environments)
        ground = Ground(
            store,
            runtime,
            objects,
            way_back,
            settings.jobs,
            environments,
            slots,
            here,
            hints,
            settings.hold_describe,
            settings.metrics_seconds,
        )
        jobs = _training(settings, ground)
        preparation, compilation = processing.Processing.compose(ground, settings.tables), Compilation.compose(ground)
        optimization = Optimization.compose(ground)
        replicas = Replicas(containers)
        hosting = _hosting(settings, ground, replicas)
        routes = hosting.publisher
        components = ground.components(replicas, routes)
        asynchronous = Asynchronous(store, objects, routes.entry, routes.entries, settings.data / "asynchronous")
        transform = Transform(store, replicas, objects, settings.jobs, here, slots, hints)
        edge = Edge.compose(ground, keyring.master)

        operations = Operations()
        api = Api(operations, clock)
        tuning = Tuning(store, LocalClient(api), hints)
        experiments = Experiments(store, LocalClient(api))
        load = LoadProcess(objects, way_back, settings.data / "loads")
        recommendations = Recommendations(store, LocalClient(api), load, settings.recommender_seconds, hints)
        engine = _engine(settings, store, operations, keyring, own_images, tuning)
        records.register(engine, operations, objects)
        jobs.register(engine, operations)
        preparation.register(engine, operations)
        hosting.register(operations, engine.catalog)
        asynchronous.register(operations)
        components.register(operations, engine.catalog)
        transform.register(operations, engine.catalog)
        tuning.register(engine, operations)
        experiments.register(operations, engine.catalog)
        compilation.register(engine, operations)
        optimization.register(engine, operations)
        recommendations.register(engine, operations)
        edge.register(engine, operations)
        anywhere = settings.sns_endpoints == "any"
        found = services.neighbours(store, keyring, own_images.layout, settings.url, anywhere=anywhere)
        _register_neighbours(operations, found)
        neighbours = services.controllers(store, hints, anywhere=anywhere)
        scaling = Autoscaling(store, LocalClient(api), settings.scaling_period)
        _register_neighbours(operations, {"application-autoscaling": scaling.operations()})

        inference = (hosting, components, transform, experiments, compilation, optimization, recommendations, edge)
        features = (jobs, preparation, tuning, *inference)
        loop = _loop(store, engine, [*(feature.controller for feature in features), *neighbours, *scaling.controllers])
        hints.loop = loop
        return cls(
            settings=settings,
            store=store,
            operations=operations,
            engine=engine,
            api=api,
            runtime=runtime,
            environments=environments,
            training=jobs,
            processing=preparation,
            hosting=hosting,
            components=components,
            asynchronous=asynchronous,
            transform=transform,
            tuning=tuning,
            compilation=compilation,
            optimization=optimization,
            recommendations=recommendations,
            edge=edge,
            capture=Delivery(store, objects, settings.captured),
            neighbours=neighbours,
            containers=containers,
            objects=objects,
            loop=loop,
        )

    async def start(self) -> None:
        """Adopts what runs and begins to make the rows true."""
        self._warm()
        await self.hosting.open()
        await self.asynchronous.open()
        await self.training.open()
        await self.processing.open()
        await self.compilation.open()
        await self.optimization.open()
        await self.recommendations.open()
        self.capture.open()
        await self.loop.start()

    async def close(self) -> None:
        """Ends what runs in this process; containers go on and are adopted by the next control."""
        await self.loop.close()
        await self.asynchronous.close()
        await self.training.close()
        await self.processing.close()
        await self.transform.close()
        await self.tuning.close()
        await self.compilation.close()
        await self.optimization.close()
        await self.recommendations.close()
        await self.edge.close()
        await self.capture.close()
        await services.close(self.neighbours)
        await self.components.close()
        await self.hosting.close()
        await self.containers.close()
        await self.store.close()
        if isinstance(self.runtime, Zygote):
            self.runtime.close()

    async def reset(self) -> None:
        """Empties every account, S3 included (test hooks)."""
        await self.loop.close()
        await self.asynchronous.close()
        await self.training.reset()
        await self.processing.reset()
        await self.transform.reset()
        await self.compilation.reset()
        await self.optimization.reset()
        await self.recommendations.reset()
        await self.edge.reset()
        await self.components.close()
        self.tuning.reset()
        await self.capture.reset()
        await services.close(self.neighbours)
        await self.containers.close()
        try:
            await asyncio.to_thread(_remove_containers, self.runtime, self.settings.jobs)
            await self.store.empty()
            await asyncio.to_thread(self.environments.own_images.layout.empty)
            await empty(self.objects)
        finally:
            await self.hosting.open()
            await self.asynchronous.open()
            await self.loop.start()

    def _warm(self) -> None:
        """Starts the zygotes that the settings ask for; their imports go on beside everything else."""
        if isinstance(self.runtime, Zygote):
            for image in filter(None, self.settings.prewarm.split(",")):
                python = self.environments.interpreter(image)
                if python is not None:  # else its first job builds it
                    self.runtime.warm(image, python)


def _training(settings: Settings, ground: Ground) -> training.Training:
    """Training jobs, with the account's limits and the market for spot instances."""
    terms = training.Terms(settings.limits == "aws", settings.spot_price, interruptions(settings.spot_interruptions))
    return training.Training.compose(ground, terms, settings.registered_file_systems)


def _hosting(settings: Settings, ground: Ground, replicas: Replicas) -> Hosting:
    """Endpoints."""
    return Hosting(
        ground.store,
        replicas,
        ground.jobs,
        settings.routes,
        ground.machine,
        ground.objects,
        ground.runtime.name != "process",
        alarms.states,
        ReplicaUsage(ground.store, ground.runtime, settings.metrics_seconds),
        told=ground.wake,
        serverless_idle=settings.serverless_idle,
    )

    def components(self, replicas: Replicas, routes: Publisher) -> Components:
        """Inference components."""
        mounts = self.runtime.name != "process"
        return Components(
            self.store,
            replicas,
            routes,
            self.settings.jobs,
            self.machine,
            self.objects,
            self.hints,
            mounts=mounts,
            alarms=alarms.states,
        )


def _engine(
    settings: Settings, store: Store, operations: Operations, keyring: Keyring, own_images: OwnImages, tuning: Tuning
) -> Engine:
    """Everything that follows from the service model, with what the features say about it."""
    return Engine(
        store,
        operations,
        controllers=CONTROLLED,
        rules={
            **Hosting.rules,
            **Components.rules,
            **Transform.rules,
            **Experiments.rules,
            **Compilation.rules,
            **Optimization.rules,
            **Recommendations.rules,
            **Edge.rules,
            "CreateModel": (pulled.rule(own_images),),
        },
        quirks={
            **tuning.quirks(training.QUIRKS),
            **processing.QUIRKS,
            **Components.quirks,
            **Transform.quirks,
            **Experiments.quirks,
            **Compilation.quirks,
            **Optimization.quirks,
            **Recommendations.quirks,
            **Edge.quirks,
        },
        made=_Directories(settings.data / "homes"),
        secret=hashlib.sha256(b"page tokens" + keyring.master.encode()).digest(),
    )


def _loop(store: Store, engine: Engine, controllers: Iterable[Controller[Any, Any]]) -> Loop:
    """What makes the rows true, those of the neighbours as well; the event bus hears of what it writes."""
    return Loop(store, controllers, announce=services.announce(engine.catalog))


def _register_neighbours(operations: Operations, neighbours: Mapping[str, Handlers]) -> None:
    for service, handlers in neighbours.items():
        operations.write_all(service, handlers)


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
