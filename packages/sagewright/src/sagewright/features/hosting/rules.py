"""What the requests about endpoints may ask for. SageMaker can do more than this version: that is refused, never ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.hosting import managed, serverless
from sagewright.features.hosting.capture import check_capture
from sagewright.features.hosting.deployment_rules import check_deployment
from sagewright.features.hosting.metrics_config import check_metrics
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Context
from sagewright.serving.definition import unsupported
from sagewright.serving.members import refuse
from sagewright.store.rows import Document
from sagewright.wire.errors import validation

ROUTING = ("LEAST_OUTSTANDING_REQUESTS", "RANDOM")
QUOTA = 32
"""Instances per variant: what one machine can be asked for, in the form of AWS's quotas."""


def check_config(spec: Mapping[str, Any]) -> None:
    """Refuses an endpoint configuration that asks for what this version does not do. Raises Fault."""
    serverless.check(spec)
    refuse("CreateEndpointConfigInput", spec)
    check_capture(spec.get("DataCaptureConfig"))
    check_metrics(spec)
    check_shadows(spec)
    for variant in (*spec["ProductionVariants"], *spec.get("ShadowProductionVariants", ())):
        refuse("ProductionVariant", variant, "ProductionVariants")
        _check_routing(variant.get("RoutingConfig", {}))
        managed.check(variant, QUOTA)
        if "ModelName" not in variant and "ExecutionRoleArn" not in spec:
            # DOC (CreateEndpointConfig, ExecutionRoleArn): needed where inference components are to run. The words are not published.
            raise validation(
                "ExecutionRoleArn must be specified for an endpoint configuration whose production variants name no model."
            )


def _check_routing(config: Mapping[str, Any]) -> None:
    refuse("ProductionVariantRoutingConfig", config, "ProductionVariants.RoutingConfig")
    strategy = config.get("RoutingStrategy", ROUTING[0])
    if strategy not in ROUTING:
        raise unsupported(f"ProductionVariants.RoutingConfig.RoutingStrategy {strategy}")


def check_shadows(spec: Mapping[str, Any]) -> None:
    """API CreateEndpointConfig: with shadows, one variant of each kind, none of which is called in another way. Raises Fault.

    The wordings are ours.
    """
    shadows = spec.get("ShadowProductionVariants", ())
    variants = (*spec["ProductionVariants"], *shadows)
    if not shadows:
        return
    if len(variants) != 2:
        raise validation(
            "With ShadowProductionVariants, exactly one production variant and one shadow variant can be specified."
        )
    if "AsyncInferenceConfig" in spec or any("ServerlessConfig" in variant for variant in variants):
        raise validation("ShadowProductionVariants are not supported with asynchronous or serverless inference.")


def over_quota(count: int, instance_type: str) -> str:
    """AWS's wording of a service quota."""
    return (
        f"The account-level service limit '{instance_type or 'instances'} for endpoint usage' is {QUOTA} Instances, with current "
        f"utilization of 0 Instances and a request delta of {count} Instances. Please use AWS Service Quotas to request an "
        "increase for this quota. If AWS Service Quotas is not available, contact AWS support to request an increase for this quota."
    )


def _endpoint_config(_: Context, request: Document) -> None:
    check_config(request)


def _endpoint(_: Context, request: Document) -> None:
    check_deployment(request)


RULES: Mapping[str, tuple[Rule, ...]] = {
    "CreateEndpointConfig": (_endpoint_config,),
    "CreateEndpoint": (_endpoint,),
}
"""By operation, for the engine."""
