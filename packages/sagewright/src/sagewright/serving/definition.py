"""The container that a model's document defines, and what of models cannot be served yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sagewright.compute.images import resolve
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation


class Undeployable(Exception):
    """A model cannot be served; the text is a FailureReason."""


class Definition(NamedTuple):
    """What of a model its containers need. ``isolated``: EnableNetworkIsolation."""

    container: Document
    role: str
    isolated: bool


def unsupported(what: str) -> Fault:
    """The one answer to what SageMaker can do and this version cannot."""
    return validation(not_yet(what))


def not_yet(what: str) -> str:
    """The same as a FailureReason."""
    return f"Sagewright does not support {what} yet; docs/coverage.md lists what it does."


def model_container(transaction: Transaction, asking: Resource, name: str) -> Definition:
    """Of a model of the same world, which must have one container. Raises Undeployable."""
    model = transaction.resources.get(asking.world, "Model", name.rpartition("/")[2])
    if model is None:
        raise Undeployable(f'Could not find model "{name}".')
    container = _single(model.spec)
    image = resolve(container["Image"])
    if image.problem or image.missing:
        raise Undeployable(image.problem or image.missing)
    return Definition(container, model.spec.get("ExecutionRoleArn", ""), bool(model.spec.get("EnableNetworkIsolation")))


def _single(model: Mapping[str, Any]) -> Document:
    containers = [model["PrimaryContainer"]] if "PrimaryContainer" in model else model.get("Containers", [])
    if len(containers) != 1:
        raise Undeployable(not_yet("a model with several containers") if containers else "The model has no container.")
    container: Document = dict(containers[0])
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise Undeployable(not_yet("multi-model endpoints (Mode MultiModel)"))
    if "Image" not in container:
        raise Undeployable(not_yet("a container that names a model package"))
    return container
