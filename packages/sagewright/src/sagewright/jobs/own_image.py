"""A job's image when it is the user's own: in SageMaker's words when it cannot be had, and the container that it makes."""

from __future__ import annotations

from dataclasses import replace

from sagewright.base.world import World
from sagewright.compute.oci.own_images import MissingImage, OwnImage, OwnImages, UnusableImage
from sagewright.compute.runtime import InstanceSpec
from sagewright.kernel.errands import ErrandFailed
from sagewright.wire.errors import validation

_PERMISSIONS = "ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"


def check(images: OwnImages, world: World, uri: str, role: str) -> None:
    """Create refuses an image that is not there. Raises Fault; the wording was seen in public logs."""
    try:
        images.check(uri, world)
    except MissingImage as missing:
        wrong = f"Cannot find repository: {missing.repository} in registry ID: {missing.account}"
        if not missing.whole:
            wrong = f"Cannot find the requested image: {uri}."
        advice = f"Please check if your ECR repository exists and role {role} has proper pull permissions for SageMaker"
        raise validation(f"{wrong} {advice}: {_PERMISSIONS}") from missing


async def pulled(images: OwnImages, uri: str, world: World) -> OwnImage:
    """Ready to run. Raises ErrandFailed with a FailureReason, OSError."""
    try:
        return await images.prepare(uri, world)
    except MissingImage as missing:  # since the job was created
        text = "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are incorrect."
        raise ErrandFailed(text) from missing
    except UnusableImage as unusable:
        raise ErrandFailed(f"ClientError: The image {uri} cannot be run: {unusable}.") from unusable


def dressed(spec: InstanceSpec, image: OwnImage, command: tuple[str, ...]) -> InstanceSpec:
    """The same container with the files, the user and a command of an image."""
    return replace(spec, argv=command, env={**image.env, **spec.env}, workdir=image.workdir, rootfs=image.rootfs)
