"""What the containers of a processing job run. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.compute.images import Image
from sagewright.compute.oci.own_images import OwnImage
from sagewright.features.processing import view
from sagewright.features.processing.plan import GRACE_SECONDS, max_runtime
from sagewright.jobs.launch import Program
from sagewright.store.rows import Resource


def program(resource: Resource) -> Program:
    """For jobs.launch."""
    spec = resource.spec
    return Program(
        image_uri=spec["AppSpecification"]["ImageUri"],
        command=lambda image, python: _command(spec["AppSpecification"], image, python),
        own_command=lambda image: _own_command(spec["AppSpecification"], image),
        environment=lambda platform: view.environment(resource, platform),
        isolated=bool(spec.get("NetworkConfig", {}).get("EnableNetworkIsolation")),
        seconds=max_runtime(spec) + GRACE_SECONDS,
    )


def _own_command(application: Mapping[str, Any], image: OwnImage) -> tuple[str, ...]:
    """Of an image of the user's own: ENTRYPOINT and CMD, or what the request has in their place; no word of SageMaker's."""
    return image.command("", application.get("ContainerEntrypoint", ()), application.get("ContainerArguments", ()))


def _command(application: Mapping[str, Any], image: Image, python: str) -> tuple[str, ...]:
    """DG byoc-run-image: the entrypoint, then the arguments. What only an image has on its path is run from its toolkit."""
    entrypoint = tuple(application.get("ContainerEntrypoint", ()))
    return (*image.own_command(entrypoint, python), *application.get("ContainerArguments", ()))
