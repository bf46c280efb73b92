"""Brings in what the containers of a training job need: their environment, configuration, channels, code, checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagewright.compute.images import resolve
from sagewright.compute.runtime import Runtime
from sagewright.features.training import admission, channels, directories, ml_view
from sagewright.features.training.directories import Directories
from sagewright.features.training.folder import JobFolder
from sagewright.features.training.packages import Packages
from sagewright.features.training.pools import Pools
from sagewright.features.training.synchronised import synchronised
from sagewright.jobs.instances import JobInstance, instances, receivers
from sagewright.jobs.own_image import pulled
from sagewright.kernel.errands import ErrandFailed
from sagewright.objects import checkpoints
from sagewright.objects.mounted.channel import describe_channel
from sagewright.objects.piped import download_pipe
from sagewright.objects.s3 import Location, Objects
from sagewright.objects.transfer import Access, Share, TransferError, download_channel
from sagewright.store.rows import Resource


class Intake:
    """Everything of it can be repeated and goes on where it stopped."""

    def __init__(
        self, runtime: Runtime, objects: Objects, jobs: Path, packages: Packages, pools: Pools, directories: Directories
    ) -> None:
        self._runtime = runtime
        self._directories = directories
        self._objects = objects
        self._jobs = jobs
        self._packages = packages
        self._pools = pools

    async def bring(self, resource: Resource) -> None:
        """Raises TransferError and ErrandFailed for what the user can mend, ConnectionError when S3 is away."""
        refused = admission.refusal(resource.spec)
        if refused:
            raise ErrandFailed(refused)
        await self._environment(resource)
        access = Access(resource.world.region, resource.spec["RoleArn"])
        for instance in instances(resource.spec["ResourceConfig"]):
            folder = JobFolder.of(self._jobs, resource, instance.host)
            await asyncio.to_thread(_prepare, folder, resource.spec, instance)
        await asyncio.to_thread(self._pools.bring, resource)
        for channel in resource.spec.get("InputDataConfig", ()):
            await self._channel(resource, channel, access)
        checkpoint = synchronised(resource.spec)["checkpoints"]
        for folder in JobFolder.all(self._jobs, resource):
            await self._source(folder, resource.spec)
            if checkpoint.uri:
                ledger = folder.ledger("checkpoints")
                await checkpoints.restore(self._objects, checkpoint.uri, folder.ml, checkpoint.below, ledger, access)
        await self._packages.bring(resource)

    async def _channel(self, resource: Resource, channel: Mapping[str, Any], access: Access) -> None:
        """FastFile and Pipe data stay in S3 where a file system can show them; else they are copied, as with File."""
        if directories.is_one(channel):  # it is mounted, or refused, when the containers are started; refusals are better early
            self._directories.mount(channel, "")
            return
        shares, mode = self._shares(resource, channel), channels.mode(resource.spec, channel)
        if mode == channels.FILE:
            await download_channel(self._objects, channel, shares, access)
            return
        mounted = not await asyncio.to_thread(lambda: self._runtime.without_file_systems)
        if mode == channels.PIPE:
            await download_pipe(self._objects, channel, shares, access, mounted)
        else:
            await (describe_channel if mounted else download_channel)(self._objects, channel, shares, access)

    def _shares(self, resource: Resource, channel: Mapping[str, Any]) -> list[Share]:
        name, source = channel["ChannelName"], channel["DataSource"]["S3DataSource"]
        found = receivers(resource.spec["ResourceConfig"], source)
        folders = [JobFolder.of(self._jobs, resource, instance.host) for instance in found]
        piped = channels.mode(resource.spec, channel) == channels.PIPE
        return [
            Share(folder.piped(name) if piped else folder.channel(name), folder.mark(f"channel-{name}")) for folder in folders
        ]

    async def _environment(self, resource: Resource) -> None:
        image = resolve(resource.spec["AlgorithmSpecification"]["TrainingImage"])
        if image.kind == "own":
            await pulled(self._packages.environments.own_images, image.uri, resource.world)
        await self._packages.prepare(resource)

    async def _source(self, folder: JobFolder, spec: Mapping[str, Any]) -> None:
        uri, target = ml_view.source_uri(spec), folder.config / ml_view.SOURCE_ARCHIVE
        if not uri or target.exists():
            return
        try:
            await self._objects.download(Location.parse(uri), target)
        except (FileNotFoundError, PermissionError, ValueError) as error:
            raise TransferError(f'ClientError: Data download failed:The source code "{uri}" cannot be read.') from error


def _prepare(folder: JobFolder, spec: Mapping[str, Any], instance: JobInstance) -> None:
    folder.make()
    for part in synchronised(spec).values():
        (folder.ml / part.below).mkdir(parents=True, exist_ok=True)
    ml_view.write(folder.config, spec, instance)
