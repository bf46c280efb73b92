"""A serving container's image when it is the user's own: which one exactly, and the container that it makes.

What a tag means is settled when the model is brought in, as on AWS: a container that is started again, or beside the first, has
the same image whatever was pushed since.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sagewright.base import files
from sagewright.compute.images import resolve
from sagewright.compute.oci.own_images import MissingImage, OwnImages, UnusableImage
from sagewright.compute.runtime import InstanceSpec
from sagewright.kernel.errands import ErrandFailed
from sagewright.serving.unit import Unit


async def pull(images: OwnImages, unit: Unit) -> None:
    """Raises ErrandFailed with the words of a FailureReason. Nothing is done for images that come with the server."""
    uri = unit.container["Image"]
    if resolve(uri).kind != "own":
        return
    try:
        image = await images.prepare(uri, unit.identity[0])
    except (MissingImage, UnusableImage) as problem:
        raise ErrandFailed(_words(uri, problem)) from problem
    unit.home.mkdir(parents=True, exist_ok=True)
    files.write(_settled(unit), image.digest.encode())


async def dressed(images: OwnImages, spec: InstanceSpec, unit: Unit) -> InstanceSpec:
    """The container with the files, the user and the command of the unit's image. Raises ErrandFailed, OSError."""
    uri = unit.container["Image"]
    if resolve(uri).kind != "own":
        return spec
    try:
        image = await images.prepare(uri, unit.identity[0], _settled(unit).read_text())
    except (MissingImage, UnusableImage) as problem:
        raise ErrandFailed(_words(uri, problem)) from problem
    env = {**image.env, **spec.env}
    return replace(spec, argv=image.command("serve"), env=env, workdir=image.workdir, rootfs=image.rootfs, mounts=())


def _settled(unit: Unit) -> Path:
    return unit.home / "image"


def _words(uri: str, problem: MissingImage | UnusableImage) -> str:
    return str(problem) if isinstance(problem, MissingImage) else f"The image {uri} cannot be run: {problem}."
