"""Starts a training container: which command, with which environment, within which limits."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagewright.base.clock import Clock
from sagewright.compute.environments.build import BuildError
from sagewright.compute.environments.folder import Environments
from sagewright.compute.images import Image, resolve
from sagewright.compute.placement import Machine, limits
from sagewright.compute.runtime import InstanceSpec, Mount, Runtime
from sagewright.features.training import ml_view
from sagewright.features.training.folder import JobFolder, key
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
    environments: Environments

    async def start(self, resource: Resource) -> None:
        """Starts the container once, however often it is called. Raises ErrandFailed, OSError."""
        image = resolve(resource.spec["AlgorithmSpecification"]["TrainingImage"])
        if image.problem or image.missing:
            raise ErrandFailed(f"ClientError: {image.problem or image.missing}")
        try:
            python = await self.environments.prepare(image.name)
            await asyncio.to_thread(self.runtime.start, self.instance(resource, image, python))
        except BuildError as problem:
            raise ErrandFailed(f"ClientError: {problem}") from problem
        except OSError as unable:
            if unable.errno == errno.EOPNOTSUPP:  # trying again would not change what the machine can do
                raise ErrandFailed(f"ClientError: This machine cannot run the job: {unable.strerror}.") from unable
            raise

    def instance(self, resource: Resource, image: Image, python: str) -> InstanceSpec:
        """What the runtime is asked for; ``python`` is the interpreter of the image's environment."""
        spec, folder = resource.spec, JobFolder.of(self.jobs, resource)
        resources = spec["ResourceConfig"]
        isolated = bool(spec.get("EnableNetworkIsolation"))
        platform = {**image.env, **({} if isolated else self._way_back(resource))}
        mounts = [Mount(folder.ml / part.below, part.target, True) for part in synchronised(spec).values() if part.target]
        return InstanceSpec(
            key=key(resource),
            image=image.name,
            argv=_command(spec["AlgorithmSpecification"], image, python),
            folder=folder.run,
            ml=folder.ml,
            env=ml_view.environment(resource, spec, platform),
            mounts=tuple(mounts),
            limits=limits(resources["InstanceType"], resources.get("VolumeSizeInGB", 0), self.machine),
            network="isolated" if isolated else "open",
            hostname=ml_view.HOST,
            python=python,
        )

    def _way_back(self, resource: Resource) -> dict[str, str]:
        """How code in the container calls this server as the job's role; a container without network gets none of it."""
        seconds = resource.spec.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME) + GRACE_SECONDS
        keys = self.keyring.mint(resource.world.account, resource.spec["RoleArn"], SESSION, seconds, self.clock.now())
        return {"AWS_ENDPOINT_URL": self.endpoint_url, **keys.environment()}


def _command(algorithm: Mapping[str, Any], image: Image, python: str) -> tuple[str, ...]:
    """API AlgorithmSpecification: an entrypoint replaces the image's own command."""
    return (*(algorithm.get("ContainerEntrypoint") or image.train_command(python)), *algorithm.get("ContainerArguments", ()))
