"""What an endpoint configuration and its models would deploy now, or why they cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagewright.features.hosting import managed, serverless
from sagewright.features.hosting.deployment import Fleet, VariantFleet
from sagewright.features.hosting.rules import QUOTA, over_quota
from sagewright.serving.definition import Definition, Undeployable, model_container
from sagewright.serving.step import Slot
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

ENDPOINT_CONFIG = "EndpointConfig"
LARGEST_PAYLOAD_MB = "1024"
"""Of an asynchronous request (developer guide, async-inference)."""


def fleet(transaction: Transaction, endpoint: Resource) -> Fleet:
    """The fleet that the endpoint's spec asks for. Raises Undeployable."""
    name = endpoint.spec["EndpointConfigName"]
    config = transaction.resources.get(endpoint.world, ENDPOINT_CONFIG, name)
    if config is None:
        raise Undeployable(f'Could not find endpoint configuration "{name}".')
    desired = endpoint.spec.get("Desired", {})
    isolated = bool(config.spec.get("EnableNetworkIsolation"))
    role = config.spec.get("ExecutionRoleArn", "")
    variants, shadows = (
        tuple(
            _variant(transaction, endpoint, {"Role": role, **variant}, desired, isolated)
            for variant in config.spec.get(member, ())
        )
        for member in ("ProductionVariants", "ShadowProductionVariants")
    )
    if "AsyncInferenceConfig" in config.spec:
        if any(variant.container.get("Mode") == "MultiModel" for variant in variants):
            raise Undeployable("Asynchronous endpoints do not support multi-model containers.")
        variants = tuple(replace(variant, container=_for_large_payloads(variant.container)) for variant in variants)
    # An update that retains the variants' properties keeps the capture of the deployment before it (operations.py).
    capture = endpoint.spec.get("Capture", config.spec.get("DataCaptureConfig"))
    asynchronous = config.spec.get("AsyncInferenceConfig", {})
    metrics = config.spec.get("MetricsConfig", {})
    return Fleet(endpoint.spec.get("Generation", 1), name, variants, shadows, capture, asynchronous, metrics)


def _variant(
    transaction: Transaction,
    endpoint: Resource,
    asked: Mapping[str, Any],
    desired: Mapping[str, Mapping[str, Any]],
    isolated: bool,
) -> VariantFleet:
    # A variant without a model only gives room to inference components (serving/hosts.py).
    host = Definition({}, asked.get("Role", ""), isolated)
    model = model_container(transaction, endpoint, asked["ModelName"]) if "ModelName" in asked else host
    wish, without = desired.get(asked["VariantName"], {}), _serverless(transaction, endpoint, asked)
    count = wish.get("DesiredInstanceCount", asked.get("InitialInstanceCount", 1))
    if without:
        count = max(1, serverless.provisioned(without))
    if count > QUOTA:
        raise Undeployable(over_quota(count, asked.get("InstanceType", "")))
    return VariantFleet(
        asked["VariantName"],
        asked.get("ModelName", ""),
        model.container,
        float(wish.get("DesiredWeight", asked.get("InitialVariantWeight", 1.0))),
        asked.get("InstanceType", ""),
        serverless.STARTUP_SECONDS if without else float(asked.get("ContainerStartupHealthCheckTimeoutInSeconds", 240)),
        float(asked.get("ModelDataDownloadTimeoutInSeconds", 3600)),
        model.role,
        isolated or model.isolated,
        tuple(Slot(index) for index in range(count)),
        without,
        count if without else 0,
        managed.bounds(asked, QUOTA),
        asked.get("RoutingConfig", {}).get("RoutingStrategy", ""),
        asked.get("VolumeSizeInGB", 0),
    )


def _serverless(transaction: Transaction, endpoint: Resource, asked: Mapping[str, Any]) -> Document:
    """The variant's ServerlessConfig, if it has one. Raises Undeployable for a model that needs a server."""
    found: Document = asked.get("ServerlessConfig", {})
    model = transaction.resources.get(endpoint.world, "Model", asked["ModelName"].rpartition("/")[2]) if found else None
    problem = serverless.check_model(model.spec) if model is not None else ""
    if problem:
        raise Undeployable(problem)
    return found


def _for_large_payloads(container: Document) -> Document:
    """The toolkit's server refuses what is longer than it was told to expect (sagewright_container/serving/listen.py)."""
    if "Containers" in container:
        return {**container, "Containers": [_for_large_payloads(each) for each in container["Containers"]]}
    environment = {"SAGEMAKER_MAX_PAYLOAD_IN_MB": LARGEST_PAYLOAD_MB, **container.get("Environment", {})}
    return {**container, "Environment": environment}
