"""Starts the containers of a training job: which command, with which environment, within which limits, beside which peers."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sagewright.base.clock import Clock
from sagewright.compute.images import Image, resolve
from sagewright.compute.placement import Machine, limits
from sagewright.compute.runtime import InstanceSpec, Mount, Peers, Runtime
from sagewright.features.training import channels, ml_view
from sagewright.features.training.folder import JobFolder, key, network_folder
from sagewright.features.training.instances import JobInstance, instances
from sagewright.features.training.packages import Found, Packages
from sagewright.features.training.plan import DEFAULT_MAX_RUNTIME, GRACE_SECONDS
from sagewright.features.training.synchronised import synchronised
from sagewright.kernel.errands import ErrandFailed
from sagewright.serving.way_back import SESSION
from sagewright.store.rows import Resource
from sagewright.wire.credentials import Keyring


@dataclass(frozen=True, slots=True)
class Launch:
    """``endpoint_url`` is where containers reach this server."""

    runtime: Runtime
    jobs: Path
    machine: Machine
    endpoint_url: str
    keyring: Keyring
    clock: Clock
    packages: Packages

    async def start(self, resource: Resource) -> None:
        """Starts every container once, however often it is called. Raises ErrandFailed, OSError."""
        image = resolve(resource.spec["AlgorithmSpecification"]["TrainingImage"])
        if image.problem or image.missing:
            raise ErrandFailed(f"ClientError: {image.problem or image.missing}")
        found = await self.packages.found(resource)
        for folder in JobFolder.all(self.jobs, resource) if found.said else ():
            await asyncio.to_thread(folder.say, found.said)
        containers = self.containers(resource, image, found)
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

    async def _start(self, container: InstanceSpec) -> None:
        await asyncio.to_thread(self.runtime.start, container)

    def containers(self, resource: Resource, image: Image, packages: Found) -> tuple[InstanceSpec, ...]:
        """What the runtime is asked for."""
        found = instances(resource.spec["ResourceConfig"])
        hosts = tuple(instance.host for instance in found)
        peers = Peers(network_folder(self.jobs, resource), hosts) if len(hosts) > 1 else None
        return tuple(self._container(resource, image, packages, instance, peers) for instance in found)

    def _container(
        self, resource: Resource, image: Image, packages: Found, instance: JobInstance, peers: Peers | None
    ) -> InstanceSpec:
        """API EnableNetworkIsolation: no calls in or out, "except for calls between peers within a training cluster"."""
        spec, folder = resource.spec, JobFolder.of(self.jobs, resource, instance.host)
        isolated = bool(spec.get("EnableNetworkIsolation"))
        platform = {
            **image.env,
            **packages.env,
            **({} if isolated else self._way_back(resource, own_network=peers is not None)),
        }
        mounts = [Mount(folder.ml / part.below, part.target, True) for part in synchronised(spec).values() if part.target]
        return InstanceSpec(
            key=f"{key(resource)}/{instance.host}",
            image=image.name,
            argv=_command(spec, image, packages.python),
            folder=folder.run,
            ml=folder.ml,
            env=ml_view.environment(resource, spec, platform),
            mounts=tuple(mounts),
            limits=limits(instance.instance_type, spec["ResourceConfig"].get("VolumeSizeInGB", 0), self.machine),
            network="isolated" if isolated or peers else "open",
            way_out=None if isolated or not peers else self._front,
            peers=peers,
            hostname=instance.host,
            python=packages.python,
            layers=packages.layers,
        )

    @property
    def _front(self) -> tuple[str, int]:
        address = urlsplit(self.endpoint_url)
        return address.hostname or "127.0.0.1", address.port or 80

    def _way_back(self, resource: Resource, own_network: bool) -> dict[str, str]:
        """How code in the container calls this server as the job's role; an isolated one gets none of it.

        In a network of its own the front is at the container's loopback (compute/relay.py).
        """
        seconds = resource.spec.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME) + GRACE_SECONDS
        keys = self.keyring.mint(resource.world.account, resource.spec["RoleArn"], SESSION, seconds, self.clock.now())
        url = f"http://127.0.0.1:{self._front[1]}" if own_network else self.endpoint_url
        return {"AWS_ENDPOINT_URL": url, **keys.environment()}


def _command(spec: Mapping[str, Any], image: Image, python: str) -> tuple[str, ...]:
    """API AlgorithmSpecification: an entrypoint replaces the image's own command; somebody must feed its pipes nevertheless."""
    algorithm = spec["AlgorithmSpecification"]
    own = tuple(algorithm.get("ContainerEntrypoint", ()))
    if own and channels.PIPE in channels.modes(spec):
        own = (*image.feed_command(python), *own)
    return (*(own or image.train_command(python)), *algorithm.get("ContainerArguments", ()))
