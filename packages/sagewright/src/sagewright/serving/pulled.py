"""A serving container's image when it is the user's own: which one exactly, and the container that it makes.

What a tag means is settled when the model is brought in, as on AWS: a container that is started again, or beside the first, has
the same image whatever was pushed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sagewright.base import files
from sagewright.compute.images import resolve
from sagewright.compute.oci.own_images import MissingImage, OwnImages, UnusableImage
from sagewright.compute.runtime import InstanceSpec
from sagewright.kernel.errands import ErrandFailed
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Context
from sagewright.serving.definition import holds_many
from sagewright.serving.unit import Unit
from sagewright.store.rows import Document
from sagewright.wire.errors import validation

LABEL = "com.amazonaws.sagemaker.capabilities.multi-models"
"""Developer Guide, build-multi-model-build-container."""


def rule(images: OwnImages) -> Rule:
    """CreateModel refuses an image of one's own that is not there, in AWS's words. The rule raises Fault."""

    def check(context: Context, request: Document) -> None:
        for container in (request.get("PrimaryContainer", {}), *request.get("Containers", ())):
            try:
                images.check(str(container.get("Image", "")), context.world)
                _check_label(images, container, context)
            except MissingImage as missing:
                raise validation(str(missing)) from missing

    return check


def _check_label(images: OwnImages, container: Mapping[str, Any], context: Context) -> None:
    labels = images.labels(str(container.get("Image", "")), context.world) if holds_many(container) else None
    if labels is not None and labels.get(LABEL) != "true":
        raise validation(f"Your Ecr Image {container['Image']} does not contain required {LABEL}=true Docker label(s).")


async def pull(images: OwnImages, unit: Unit, isolates: bool) -> None:
    """Raises ErrandFailed with the words of a FailureReason. Nothing is done for images that come with the server.

    ``isolates``: containers are more than plain processes.
    """
    uri = unit.container["Image"]
    if resolve(uri).kind != "own":
        return
    if not isolates:
        raise ErrandFailed("Images of your own need user namespaces, and this machine offers none. See: sagewright doctor")
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
    shown = tuple(
        mount for mount in spec.mounts if not mount.writable
    )  # the folder for frames is not for an image of one's own
    return replace(spec, argv=image.command("serve"), env=env, workdir=image.workdir, rootfs=image.rootfs, mounts=shown)


def _settled(unit: Unit) -> Path:
    return unit.home / "image"


def _words(uri: str, problem: MissingImage | UnusableImage) -> str:
    return str(problem) if isinstance(problem, MissingImage) else f"The image {uri} cannot be run: {problem}."
