"""Models, endpoint configurations, endpoints and what is measured beside them.

Sources: ACK = aws-controllers-k8s/sagemaker-controller generator.yaml; TF = terraform-provider-aws internal/service/sagemaker;
SDK = sagemaker-python-sdk; DOC = the operation's page in the SageMaker API reference; LOG = wording seen in published logs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.kernel.kind import Reference, SearchView, Wording
from sagewright.kernel.operation import Context
from sagewright.kernel.quirks.wording import invalid
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import validation


def container_defaults(_: Context, request: Document) -> Document:
    """DOC (ContainerDefinition): Mode is SingleModel by default, Environment is answered even when empty."""
    if "PrimaryContainer" in request and "Containers" in request:
        raise validation("Both PrimaryContainer and Containers were specified. Only one of them can be specified.")
    changed = dict(request)
    if "PrimaryContainer" in request:
        changed["PrimaryContainer"] = {"Mode": "SingleModel", "Environment": {}, **request["PrimaryContainer"]}
    if "Containers" in request:
        changed["Containers"] = [{"Mode": "SingleModel", "Environment": {}, **container} for container in request["Containers"]]
    return changed


def has_container(_: Context, request: Document) -> None:
    """DOC (CreateModel): a model has a primary container or a list of containers, each with an image or a model package."""
    containers = [request["PrimaryContainer"]] if "PrimaryContainer" in request else request.get("Containers", [])
    for container in containers:
        if "Image" not in container and "ModelPackageName" not in container:
            raise validation("Either Image or ModelPackageName must be specified in a container definition.")


def containers_are_named(_: Context, request: Document) -> None:
    """DOC (ContainerDefinition, multi-container-create): all containers of a pipeline have a name or none, each its own, and direct
    invocation needs them. The words are not published."""
    names = [container.get("ContainerHostname") for container in request.get("Containers", ())]
    given = [name for name in names if name]
    direct = request.get("InferenceExecutionConfig", {}).get("Mode") == "Direct"
    if direct and len(names) < 2:
        raise validation("InferenceExecutionConfig mode Direct needs more than one container in Containers.")
    if direct and len(given) < len(names):
        raise validation("ContainerHostname must be specified for each container when InferenceExecutionConfig mode is Direct.")
    if given and len(given) < len(names):
        raise validation("If ContainerHostname is specified for one container, it must be specified for every container.")
    twice = next((name for name in given if given.count(name) > 1), None)
    if twice:
        raise validation(f"Duplicate ContainerHostname: {twice}. Each container must have a unique ContainerHostname.")


def variant_names_differ(_: Context, request: Document) -> None:
    """DOC (CreateEndpointConfig): variant names are unique within a configuration."""
    variants = [*request["ProductionVariants"], *request.get("ShadowProductionVariants", [])]
    names = [variant["VariantName"] for variant in variants]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise validation(f"Duplicate production variant name: {twice}")


def variant_weights(_: Context, request: Document) -> Document:
    """DOC (ProductionVariant): InitialVariantWeight is 1.0 when it is not given."""
    changed = dict(request)
    for member in ("ProductionVariants", "ShadowProductionVariants"):
        if member in request:
            changed[member] = [{"InitialVariantWeight": 1.0, **variant} for variant in request[member]]
    return changed


def isolation_off(_: Context, spec: Document) -> Document:
    """AWS answers EnableNetworkIsolation false rather than leaving it out (DOC: DescribeModel)."""
    return {"EnableNetworkIsolation": bool(spec.get("EnableNetworkIsolation", False))}


def dashboard(_: Transaction, resource: Resource, document: Document) -> Document:
    """The model dashboard wraps the model: ModelDashboardModel.Model."""
    return {"Model": document}


_DEPLOYING = ("Creating", "Updating", "RollingBack")

SERVING: Mapping[str, Mapping[str, Any]] = {
    # ACK, OP: code ValidationException, message starts with "Could not find model"; SDK reuses it on "Cannot create already existing model".
    "Model": {
        "missing": invalid('Could not find model "{arn}".'),
        "exists": invalid('Cannot create already existing model "{arn}".'),
        "references": (
            Reference("PrimaryContainer.ModelPackageName", "ModelPackage"),
            Reference("Containers[].ModelPackageName", "ModelPackage"),
        ),
        "rules": (has_container, containers_are_named, container_defaults),
        "fills": (isolation_off,),
        "search": SearchView("Model", "Model", dashboard),
    },
    # ACK, TF, OP: "Could not find endpoint configuration"; LOG: 'Could not find model "arn…"' for an unknown model.
    "EndpointConfig": {
        "missing": invalid('Could not find endpoint configuration "{arn}".'),
        "exists": invalid('Cannot create already existing endpoint configuration "{arn}".'),
        "references": (
            Reference("ProductionVariants[].ModelName", "Model"),
            Reference("ShadowProductionVariants[].ModelName", "Model"),
        ),
        "rules": (variant_names_differ, variant_weights),
    },
    # ACK, TF, OP, botocore's waiters: "Could not find endpoint". DOC (DeleteEndpointConfig): not while an endpoint is being made or
    # updated with it; later it may go, and the SDK's delete_endpoint deletes it before the endpoint.
    "Endpoint": {
        "missing": invalid('Could not find endpoint "{arn}".'),
        "exists": invalid('Cannot create already existing endpoint "{arn}".'),
        "references": (Reference("EndpointConfigName", "EndpointConfig", protects=True, during=_DEPLOYING),),
        "aliases": {"LastDeploymentConfig": "DeploymentConfig"},
    },
    # SDK: "Could not find inference component".
    "InferenceComponent": {
        "missing": invalid('Could not find inference component "{arn}".'),
        "exists": invalid('Cannot create already existing inference component "{arn}".'),
        "aliases": {"LastDeploymentConfig": "DeploymentConfig"},
    },
    # The ARN member is called Arn in the answer and InferenceExperimentArn elsewhere (model).
    "InferenceExperiment": {"aliases": {"Arn": "InferenceExperimentArn"}},
    # The model declares ResourceAlreadyExists for Create instead of ResourceInUse.
    "InferenceRouter": {"exists": Wording("ResourceAlreadyExists", "{kind} already exists: {arn}")},
    # ListInferenceRecommendationsJobs filters on members that lie inside InputConfig (model).
    "InferenceRecommendationsJob": {
        "aliases": {
            "ModelName": "InputConfig.ModelName",
            "ModelPackageVersionArn": "InputConfig.ModelPackageVersionArn",
            "SamplePayloadUrl": "InputConfig.ContainerConfig.PayloadConfig.SamplePayloadUrl",
        },
    },
}
