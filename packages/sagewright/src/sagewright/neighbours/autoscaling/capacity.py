"""What can be scaled, through SageMaker's own API: instances of a variant, provisioned concurrency, copies of an inference component."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.base.world import World
from sagewright.kernel.client import Client
from sagewright.kernel.operation import Caller
from sagewright.neighbours.autoscaling.rows import role_arn
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

INSTANCES = "sagemaker:variant:DesiredInstanceCount"
CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"
COPIES = "sagemaker:inference-component:DesiredCopyCount"
NOUNS: Mapping[str, str] = {INSTANCES: "instance count", CONCURRENCY: "provisioned concurrency", COPIES: "copy count"}
"""By dimension, for what people read."""
MOST_CAPACITY = 10_000

_VARIANT = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")
_COMPONENT = re.compile(r"inference-component/(?P<component>[^/]+)")


@dataclass(frozen=True, slots=True)
class Capacity:
    """``desired`` is asked for, ``current`` is there; ``steady``: nothing is being changed. ``zero``: may be scaled to nothing."""

    desired: int
    current: int
    status: str
    steady: bool
    zero: bool = False


def dimensions(resource: str, dimension: str) -> dict[str, str]:
    """The parts of a resource id by name; raises ValidationException when it is none of its dimension."""
    form = _COMPONENT if dimension == COPIES else _VARIANT
    found = form.fullmatch(resource)
    if dimension not in NOUNS or found is None:
        raise Fault("ValidationException", "Unsupported service namespace, resource type or scalable dimension")
    return found.groupdict()


class Capacities:
    """Reads and sets capacities as the account's service-linked role."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, world: World, target: Mapping[str, Any]) -> Capacity | None:
        """None when there is no such variant or component."""
        parts = dimensions(target["ResourceId"], target["ScalableDimension"])
        if "component" in parts:
            return await self._component(world, parts["component"])
        return await self._variant(world, parts, target["ScalableDimension"])

    async def put(self, world: World, target: Mapping[str, Any], count: int) -> None:
        """Asks for that much. Raises Fault when it is refused."""
        parts = dimensions(target["ResourceId"], target["ScalableDimension"])
        if "component" in parts:
            config = {"CopyCount": count}
            request: Document = {"InferenceComponentName": parts["component"], "DesiredRuntimeConfig": config}
            await self._call(world, "UpdateInferenceComponentRuntimeConfig", request)
            return
        wish: Document = {"VariantName": parts["variant"]}
        if target["ScalableDimension"] == CONCURRENCY:
            wish["ServerlessUpdateConfig"] = {"ProvisionedConcurrency": count}
        else:
            wish["DesiredInstanceCount"] = count
        request = {"EndpointName": parts["endpoint"], "DesiredWeightsAndCapacities": [wish]}
        await self._call(world, "UpdateEndpointWeightsAndCapacities", request)

    async def _variant(self, world: World, parts: dict[str, str], dimension: str) -> Capacity | None:
        endpoint = await self._found(world, "DescribeEndpoint", {"EndpointName": parts["endpoint"]})
        if endpoint is None or endpoint["EndpointStatus"] == "Deleting":
            return None
        variants = {variant["VariantName"]: variant for variant in endpoint.get("ProductionVariants", ())}
        variant = variants.get(parts["variant"])
        if variant is None:
            # The first variants of a new endpoint are not told before its configuration was read.
            return Capacity(0, 0, "Creating", steady=False) if endpoint["EndpointStatus"] == "Creating" else None
        status = endpoint["EndpointStatus"]
        steady, zero = status == "InService", _may_be_zero(endpoint, variant)
        if dimension == CONCURRENCY:
            wanted = variant.get("DesiredServerlessConfig", variant.get("CurrentServerlessConfig", {}))
            there = variant.get("CurrentServerlessConfig", wanted)
            return Capacity(wanted.get("ProvisionedConcurrency", 0), there.get("ProvisionedConcurrency", 0), status, steady)
        current = variant.get("CurrentInstanceCount", 0)
        return Capacity(variant.get("DesiredInstanceCount", current), current, status, steady, zero)

    async def _component(self, world: World, name: str) -> Capacity | None:
        found = await self._found(world, "DescribeInferenceComponent", {"InferenceComponentName": name})
        if found is None or found["InferenceComponentStatus"] == "Deleting":
            return None
        runtime, status = found.get("RuntimeConfig", {}), found["InferenceComponentStatus"]
        current = runtime.get("CurrentCopyCount", 0)
        return Capacity(runtime.get("DesiredCopyCount", current), current, status, status == "InService", zero=True)

    async def _found(self, world: World, operation: str, request: Document) -> Document | None:
        try:
            return await self._call(world, operation, request)
        except Fault as fault:
            if fault.code in ("ValidationException", "ResourceNotFound"):  # what Describe answers for one that is not there
                return None
            raise

    async def _call(self, world: World, operation: str, request: Document) -> Document:
        caller = Caller(world, role_arn(world), "")
        return await self._client.call(caller, "sagemaker", operation, request)


def _may_be_zero(endpoint: Document, variant: Document) -> bool:
    """Endpoints without instances: asynchronous ones, and those of inference components (DG endpoint-auto-scaling-zero-instances)."""
    managed = variant.get("ManagedInstanceScaling", {})
    return "AsyncInferenceConfig" in endpoint or managed.get("MinInstanceCount") == 0
