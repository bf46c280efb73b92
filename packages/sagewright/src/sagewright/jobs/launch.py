"""Starts the containers of a job: within which limits, beside which peers, with which way back to this server."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagewright.compute.environments.build import BuildError
from sagewright.compute.environments.folder import Environments
from sagewright.compute.environments.place import Place
from sagewright.compute.images import Image, resolve
from sagewright.compute.oci.own_images import OwnImage
from sagewright.compute.placement import Machine, limits, visible
from sagewright.compute.runtime import FileSystems, InstanceSpec, Mount, Peers, Runtime
from sagewright.compute.slots import Slots
from sagewright.compute.way_back import WayBack
from sagewright.jobs import own_image
from sagewright.jobs.devices import given, write_down
from sagewright.jobs.folder import JobFolder, key, network_folder
from sagewright.jobs.instances import JobInstance, cluster, instances
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects.mounted.start import command, document
from sagewright.objects.signing import Keys
from sagewright.store.rows import Resource


@dataclass(frozen=True, slots=True)
class Program:
    """What the containers of a job run.

    ``command`` of the image and its interpreter, ``environment`` from what the platform adds to a container's variables.
    ``own_command`` is that of an image of the user's own; None where such a one cannot be run. ``isolated`` asks for network
    isolation; ``seconds`` is how long the keys of the job's role are needed. ``streamed`` is what the container of a run folder
    sees of S3 as file systems: descriptions (objects/mounted/channel.py) by the path inside.
    """

    image_uri: str
    command: Callable[[Image, str], tuple[str, ...]]
    environment: Callable[[Mapping[str, str]], dict[str, str]]
    isolated: bool
    seconds: float
    own_command: Callable[[OwnImage], tuple[str, ...]] | None = None
    mounts: Callable[[Path], Sequence[Mount]] = lambda ml: ()
    streamed: Callable[[Path], Mapping[str, Mapping[str, Any]]] = lambda run: {}


@dataclass(frozen=True, slots=True)
class Launch:
    """``program`` says what a job's row asks for, ``slots`` which GPUs it has: without them no container gets any.

    ``packages`` says what its containers start from (else the image's environment).
    """

    program: Callable[[Resource], Program]
    runtime: Runtime
    jobs: Path
    machine: Machine
    way_back: WayBack
    environments: Environments
    slots: Slots | None = None
    packages: Callable[[Resource], Awaitable[Place]] | None = None

    async def start(self, resource: Resource) -> None:
        """Starts every container once, however often it is called. Raises ErrandFailed, OSError."""
        program = self.program(resource)
        image = resolve(program.image_uri)
        if image.problem or image.missing:
            raise ErrandFailed(f"ClientError: {image.problem or image.missing}")
        devices = self.slots.devices(key(resource)) if self.slots else ()
        await asyncio.to_thread(write_down, self.jobs, resource, devices)
        place = await self._place(resource, image)
        for folder in JobFolder.all(self.jobs, resource) if place.said else ():
            await asyncio.to_thread(folder.say, place.said)
        containers = self.containers(resource, program, image, place)
        if image.kind == "own":
            containers = await self._dressed(resource, program, containers)
        try:
            # All that can be started are, although one may not be: what runs is what the next look must see.
            ends = await asyncio.gather(*map(self._start, containers), return_exceptions=True)
            for end in ends:
                if end is not None:
                    raise end
        except OSError as unable:
            if unable.errno == errno.EOPNOTSUPP:  # trying again would not change what the machine can do
                raise ErrandFailed(f"ClientError: This machine cannot run the job: {unable.strerror}.") from unable
            raise

    async def _dressed(
        self, resource: Resource, program: Program, containers: tuple[InstanceSpec, ...]
    ) -> tuple[InstanceSpec, ...]:
        """As containers of the user's own image."""
        if program.own_command is None:
            raise ErrandFailed(
                f"ClientError: The image {program.image_uri} is your own, and this kind of job cannot run it yet."
            )
        own = await own_image.pulled(self.environments.own_images, program.image_uri, resource.world)
        return tuple(own_image.dressed(container, own, program.own_command(own)) for container in containers)

    async def _place(self, resource: Resource, image: Image) -> Place:
        if self.packages is not None:
            return await self.packages(resource)
        name = image.environment()
        try:
            python = await self.environments.prepare(name)
            return Place(python, said=await asyncio.to_thread(self.environments.said, name))
        except BuildError as problem:
            raise ErrandFailed(f"ClientError: {problem}") from problem

    async def _start(self, container: InstanceSpec) -> None:
        await asyncio.to_thread(self.runtime.start, container)

    def containers(self, resource: Resource, program: Program, image: Image, place: Place) -> tuple[InstanceSpec, ...]:
        """What the runtime is asked for."""
        found = instances(cluster(resource.spec))
        hosts = tuple(instance.host for instance in found)
        peers = Peers(network_folder(self.jobs, resource), hosts) if len(hosts) > 1 else None
        return tuple(self._container(resource, program, image, place, instance, peers) for instance in found)

    def _container(
        self, resource: Resource, program: Program, image: Image, place: Place, instance: JobInstance, peers: Peers | None
    ) -> InstanceSpec:
        """API EnableNetworkIsolation: no calls in or out, "except for calls between peers within a training cluster"."""
        folder, isolated = JobFolder.of(self.jobs, resource, instance.host), program.isolated
        devices = given(folder)
        way_back = {} if isolated else self._way_back(resource, program, own_network=peers is not None)
        platform = {**image.env, **place.env, **way_back, **visible(devices, self.machine.gpus)}
        return InstanceSpec(
            key=f"{key(resource)}/{instance.host}",
            image=image.zygote(place.python),
            argv=program.command(image, place.python),
            folder=folder.run,
            ml=folder.ml,
            env=program.environment(platform),
            mounts=tuple(program.mounts(folder.ml)),
            file_systems=self._file_systems(resource, program, folder),
            limits=limits(instance.instance_type, cluster(resource.spec).get("VolumeSizeInGB", 0), self.machine, len(devices)),
            network="isolated" if isolated or peers else "open",
            way_out=None if isolated or not peers else self.way_back.address,
            peers=peers,
            hostname=instance.host,
            python=place.python,
            layers=place.layers,
        )

    def _file_systems(self, resource: Resource, program: Program, folder: JobFolder) -> FileSystems | None:
        """They are read with keys of the job's role, by a process outside of the container."""
        shown = program.streamed(folder.run)
        if not shown:
            return None
        keys = self.way_back.keys(resource.world.account, resource.spec["RoleArn"], program.seconds)
        told = document(
            self.way_back.url, resource.world.region, Keys(keys.access_key, keys.secret, keys.token), shown.values()
        )
        return FileSystems(command(), told, tuple(shown))

    def _way_back(self, resource: Resource, program: Program, own_network: bool) -> dict[str, str]:
        """How code in the container calls this server as the job's role; an isolated one gets none of it."""
        return self.way_back.environment(resource.world.account, resource.spec["RoleArn"], own_network, program.seconds)
