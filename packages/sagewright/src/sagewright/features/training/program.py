"""What the containers of a training job run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sagewright.compute.images import Image
from sagewright.compute.oci.own_images import OwnImage
from sagewright.compute.runtime import Mount
from sagewright.features.training import channels, ml_view
from sagewright.features.training.deadlines import DEFAULT_MAX_RUNTIME
from sagewright.features.training.directories import Directories, is_one
from sagewright.features.training.folder import JobFolder
from sagewright.features.training.moves import GRACE_SECONDS
from sagewright.features.training.synchronised import synchronised
from sagewright.jobs.folder import CONTAINER_ROOT
from sagewright.jobs.launch import Program
from sagewright.objects.mounted.channel import description
from sagewright.objects.piped import OBJECTS
from sagewright.store.rows import Resource


def program(directories: Directories, resource: Resource) -> Program:
    """For jobs.launch."""
    spec = resource.spec
    runtime = spec.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME)

    def mounts(ml: Path) -> Sequence[Mount]:
        found = [Mount(ml / part.below, part.target, True) for part in synchronised(spec).values() if part.target]
        file_systems = [channel for channel in spec.get("InputDataConfig", ()) if is_one(channel)]
        data = f"{CONTAINER_ROOT}/input/data"
        return [*found, *(directories.mount(channel, f"{data}/{channel['ChannelName']}") for channel in file_systems)]

    return Program(
        image_uri=spec["AlgorithmSpecification"]["TrainingImage"],
        command=lambda image, python: _command(spec, image, python),
        own_command=lambda image: _own_command(spec["AlgorithmSpecification"], image),
        environment=lambda platform: ml_view.environment(resource, spec, platform),
        isolated=bool(spec.get("EnableNetworkIsolation")),
        seconds=runtime + GRACE_SECONDS,
        mounts=mounts,
        streamed=lambda run: streamed(JobFolder(run), spec),
    )


def streamed(folder: JobFolder, spec: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What an instance sees of S3 as file systems, by where it sees it: channels that were not copied (intake.py)."""
    found: dict[str, Mapping[str, Any]] = {}
    for channel in spec.get("InputDataConfig", ()):
        name = channel["ChannelName"]
        shown = description(folder.mark(f"channel-{name}"))
        if shown is not None:
            piped = channels.mode(spec, channel) == channels.PIPE
            place = folder.piped(name) / OBJECTS if piped else folder.channel(name)
            found[f"{CONTAINER_ROOT}/{place.relative_to(folder.ml)}"] = shown
    return found


def _own_command(algorithm: Mapping[str, Any], image: OwnImage) -> tuple[str, ...]:
    return image.command("train", algorithm.get("ContainerEntrypoint", ()), algorithm.get("ContainerArguments", ()))


def _command(spec: Mapping[str, Any], image: Image, python: str) -> tuple[str, ...]:
    """API AlgorithmSpecification: an entrypoint replaces the image's own command; somebody must feed its pipes nevertheless."""
    algorithm = spec["AlgorithmSpecification"]
    own = tuple(algorithm.get("ContainerEntrypoint", ()))
    if own and channels.PIPE in channels.modes(spec):
        own = (*image.feed_command(python), *own)
    return (*(own or image.train_command(python)), *algorithm.get("ContainerArguments", ()))
