"""What a model's document defines: one container, or several that serve together, each as if the model had said everything itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sagewright.compute.images import resolve
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault, validation

MOST_CONTAINERS = 15
"""Developer Guide, inference-pipelines. The service model refuses more in a request; model packages may bring more."""


MULTI_MODEL = frozenset(
    {
        "xgboost",
        "linear-learner",
        "knn",
        "randomcutforest",
        "kmeans",
        "pca",
        "factorization-machines",
        "ntm",
        "lda",
        "object2vec",
        "ipinsights",
        "forecasting-deepar",
        "seq2seq",
    }
)
"""Built-in algorithms whose server holds many models. AWS has the first four (Developer Guide, multi-model-support)."""


class Undeployable(Exception):
    """A model cannot be served; the text is a FailureReason."""


class Definition(NamedTuple):
    """What of a model its containers need. ``isolated``: EnableNetworkIsolation.

    ``container`` is a ContainerDefinition, or, for several, ``{"Containers": [ContainerDefinition, …], "Mode": "Serial" or
    "Direct"}`` in which each has its ContainerHostname.
    """

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
    """Of a model of the same world. Raises Undeployable."""
    model = transaction.resources.get(asking.world, "Model", name.rpartition("/")[2])
    if model is None:
        raise Undeployable(f'Could not find model "{name}".')
    asked = [model.spec["PrimaryContainer"]] if "PrimaryContainer" in model.spec else model.spec.get("Containers", [])
    found = [container for each in asked for container in _resolved(transaction, model, each)]
    mode = model.spec.get("InferenceExecutionConfig", {}).get("Mode", "Serial")
    isolated = bool(model.spec.get("EnableNetworkIsolation"))
    return Definition(composed(found, mode), model.spec.get("ExecutionRoleArn", ""), isolated)


def composed(containers: list[Document], mode: str = "Serial") -> Document:
    """The ``container`` of a Definition. Raises Undeployable."""
    if not containers:
        raise Undeployable("The model has no container.")
    if len(containers) > MOST_CONTAINERS:
        raise Undeployable(f"The model has {len(containers)} containers; at most {MOST_CONTAINERS} are allowed.")
    for container in containers:
        image = resolve(container["Image"])
        if image.problem or image.missing:
            raise Undeployable(image.problem or image.missing)
        if holds_many(container):
            _check_many(container, len(containers))
    if len(containers) == 1:
        return containers[0]
    named = [{**container, "ContainerHostname": hostname(container, at)} for at, container in enumerate(containers)]
    return {"Containers": named, "Mode": mode}


def _check_many(container: Mapping[str, Any], count: int) -> None:
    if count > 1:
        raise Undeployable(not_yet("a container of Mode MultiModel beside others"))
    algorithm = resolve(container["Image"]).algorithm
    if algorithm and algorithm not in MULTI_MODEL and "SAGEMAKER_PROGRAM" not in container.get("Environment", {}):
        raise Undeployable(f"The algorithm {algorithm} does not support multi-model endpoints.")


def hostname(container: Mapping[str, Any], at: int) -> str:
    """API ContainerDefinition: a container without a name gets one by its position."""
    return str(container.get("ContainerHostname") or f"container-{at + 1}")


def holds_many(container: Mapping[str, Any]) -> bool:
    """Whether the container is one of many models (Mode MultiModel)."""
    return container.get("Mode") == "MultiModel"


def images(container: Mapping[str, Any]) -> list[str]:
    """The images of what a Definition calls ``container``."""
    return [str(each["Image"]) for each in container.get("Containers", (container,)) if "Image" in each]


def _resolved(transaction: Transaction, model: Resource, container: Mapping[str, Any]) -> list[Document]:
    """A container that names a model package stands for the package's own; what the model says besides wins."""
    if "ModelPackageName" not in container:
        return [dict(container)]
    name = str(container["ModelPackageName"])
    key = name.partition(":model-package/")[2] or name
    package = transaction.resources.get(model.world, "ModelPackage", key)
    if package is None:
        raise Undeployable(f'Could not find model package "{name}".')
    approval = package.spec.get("ModelApprovalStatus", package.status.get("ModelApprovalStatus", "Approved"))
    if approval == "Rejected":  # Developer Guide, model-registry-approve: a rejected version cannot be deployed
        raise Undeployable(f'The model package "{package.arn}" has the approval status {approval} and cannot be deployed.')
    defined = package.spec.get("InferenceSpecification", {}).get("Containers", [])
    if not defined:
        raise Undeployable(f'The model package "{package.arn}" has no inference specification.')
    said = {name: value for name, value in container.items() if name not in ("ModelPackageName", "Environment", "Mode")}
    return [_of_package(each, said, container) for each in defined]


def _of_package(defined: Mapping[str, Any], said: Mapping[str, Any], container: Mapping[str, Any]) -> Document:
    members = ("Image", "ModelDataUrl", "ModelDataSource", "ContainerHostname", "AdditionalModelDataSources")
    environment = {**defined.get("Environment", {}), **container.get("Environment", {})}
    return {
        **{name: defined[name] for name in members if name in defined},
        **said,
        "Mode": "SingleModel",
        "Environment": environment,
    }
