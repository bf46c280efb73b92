"""What a job's own code wants of Python: which environment, and which packages besides.

Brought in while the data are, and found again at the start: all of it is named by its content. Where a layer cannot be made, pip in
the container tries, and says why not; it has the network that the job has.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagewright.compute.environments import layer
from sagewright.compute.environments.build import BuildError
from sagewright.compute.environments.folder import Environments
from sagewright.compute.environments.place import Place
from sagewright.compute.images import resolve
from sagewright.features.training import ml_view
from sagewright.features.training.folder import JobFolder
from sagewright.jobs.instances import instances
from sagewright.jumpstart.bucket import region_of
from sagewright.kernel.errands import ErrandFailed
from sagewright.store.rows import Resource

_DRIVERS, _CODE, _REMOTE = "sm_drivers", "code", "sagemaker_remote_function_bootstrap"
_INSTALLS = re.compile(r"install_requirements\.py (\S+)")
_SDK_VERSION = "--client_sagemaker_pysdk_version"

_log = logging.getLogger(__name__)


def environment(spec: Mapping[str, Any]) -> str:
    """The name of the environment (Environments.prepare) that a job runs in."""
    algorithm = spec["AlgorithmSpecification"]
    variables, hyperparameters = spec.get("Environment", {}), spec.get("HyperParameters", {})
    program = "sagemaker_program" in hyperparameters or "SAGEMAKER_PROGRAM" in variables
    of_jumpstart = region_of(ml_view.source_uri(spec).removeprefix("s3://").partition("/")[0])
    return resolve(algorithm["TrainingImage"]).environment((program or "ContainerEntrypoint" in algorithm) and not of_jumpstart)


@dataclass(frozen=True, slots=True)
class Packages:
    """``jobs`` is settings.jobs."""

    environments: Environments
    jobs: Path

    async def prepare(self, resource: Resource) -> str:
        """The interpreter, built first where it has to be. Raises ErrandFailed, OSError."""
        try:
            return await self.environments.prepare(environment(resource.spec))
        except BuildError as problem:
            raise ErrandFailed(f"ClientError: {problem}") from problem

    async def bring(self, resource: Resource) -> None:
        """Makes the layers that the job's code, which is there already, asks for. Raises ErrandFailed, OSError."""
        python = await self.prepare(resource)
        for requirements in (await asyncio.to_thread(self._wishes, resource)).values():
            if resource.spec.get("EnableNetworkIsolation") or await asyncio.to_thread(layer.is_met, python, requirements):
                continue
            try:
                await self.environments.prepare_layer(python, requirements)
            except BuildError as problem:
                if len(instances(resource.spec["ResourceConfig"])) > 1:  # pip in the containers would reach no registry
                    raise ErrandFailed(f"AlgorithmError: InstallRequirementsError: {problem}") from problem
                _log.info("%s: left to the container: %s", resource.name, problem)

    async def found(self, resource: Resource) -> Place:
        """What a start needs. Raises ErrandFailed, OSError."""
        python = await self.prepare(resource)
        said = await asyncio.to_thread(self.environments.said, environment(resource.spec))
        wishes = await asyncio.to_thread(self._wishes, resource)
        layers = {digest: self.environments.layer(python, wish) for digest, wish in wishes.items()}
        there = {digest: place for digest, place in layers.items() if place is not None}
        env = {layer.VARIABLE: next(iter(there))} if there else {}
        return Place(python, tuple(there.values()), env, said)

    def _wishes(self, resource: Resource) -> dict[str, list[str]]:
        """Requirements by the digest of the file that they are from; what cannot be layered is left out."""
        own_image = resolve(resource.spec["AlgorithmSpecification"]["TrainingImage"]).kind == "own"
        if own_image or layer.has_own_installer(resource.spec.get("Environment", {})):
            return {}
        folder = JobFolder.all(self.jobs, resource)[0]
        files = [layer.in_archive(folder.config / ml_view.SOURCE_ARCHIVE), _of_drivers(folder), _of_sdk(folder, resource.spec)]
        return layer.wishes(files)


def _of_drivers(folder: JobFolder) -> bytes:
    """SDK v3: the driver installs the file that SourceCode names, from the folder of the code."""
    named = _INSTALLS.search(layer.content(folder.channel(_DRIVERS), "sm_train.sh").decode(errors="replace"))
    return layer.content(folder.channel(_CODE), named[1]) if named else b""


def _of_sdk(folder: JobFolder, spec: Mapping[str, Any]) -> bytes:
    """Remote functions: AWS's images have the SDK with which the function was packed; here it is laid over the image.

    Version 3 has the part that runs in a container in a package of its own, whose minor version is the SDK's.
    """
    driver = layer.content(folder.channel(_REMOTE), "job_driver.sh")
    arguments = list(spec["AlgorithmSpecification"].get("ContainerArguments", ()))
    version = arguments[arguments.index(_SDK_VERSION) + 1] if _SDK_VERSION in arguments[:-1] else ""
    if not driver or not re.fullmatch(r"\d+(\.\d+)+", version):
        return b""
    if b"sagemaker.core.remote_function" in driver:
        return f"sagemaker-core=={int(version.split('.')[0]) - 1}.{version.split('.')[1]}.*".encode()
    return f"sagemaker=={version}".encode()
