"""An image of the user's own, in SageMaker's words when it cannot be had."""

from __future__ import annotations

from sagewright.compute.oci.own_images import MissingImage, OwnImage, OwnImages, UnusableImage
from sagewright.kernel.errands import ErrandFailed
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import validation

_PERMISSIONS = "ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer"


def check(images: OwnImages, context: Context, request: Document) -> None:
    """CreateTrainingJob refuses an image that is not there. Raises Fault; the wording was seen in public logs."""
    uri, role = request["AlgorithmSpecification"]["TrainingImage"], request["RoleArn"]
    try:
        images.check(uri, context.world)
    except MissingImage as missing:
        wrong = f"Cannot find repository: {missing.repository} in registry ID: {missing.account}"
        if not missing.whole:
            wrong = f"Cannot find the requested image: {uri}."
        advice = f"Please check if your ECR repository exists and role {role} has proper pull permissions for SageMaker"
        raise validation(f"{wrong} {advice}: {_PERMISSIONS}") from missing


async def pulled(images: OwnImages, resource: Resource) -> OwnImage:
    """Ready to run. Raises ErrandFailed with a FailureReason, OSError."""
    uri = resource.spec["AlgorithmSpecification"]["TrainingImage"]
    try:
        return await images.prepare(uri, resource.world)
    except MissingImage as missing:  # since the job was created
        text = "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are incorrect."
        raise ErrandFailed(text) from missing
    except UnusableImage as unusable:
        raise ErrandFailed(f"ClientError: The image {uri} cannot be run: {unusable}.") from unusable
