"""What the requests about inference components may ask for, and what their rows say from the beginning. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.base.arn import sagemaker_arn
from sagewright.kernel.kind import Reference, Rule
from sagewright.kernel.operation import Context
from sagewright.serving.definition import unsupported
from sagewright.store.rows import Document
from sagewright.wire.errors import validation


def check_specification(specification: Mapping[str, Any]) -> None:
    """Refuses what cannot be, or is not there yet. Raises Fault."""
    for member in ("BaseInferenceComponentName", "InstanceType"):
        if member in specification:
            raise unsupported(f"Specification.{member} of an inference component")
    container = specification.get("Container", {})
    if "ModelName" not in specification and "Image" not in container:
        raise validation(
            "Either ModelName or Container with an Image must be specified in the specification of an inference component."
        )
    if "ContainerMetricsConfig" in container:
        raise unsupported("Specification.Container.ContainerMetricsConfig of an inference component")
    asked = specification.get("ComputeResourceRequirements")
    if asked is None:
        raise validation("ComputeResourceRequirements must be specified in the specification of an inference component.")
    if asked.get("MaxMemoryRequiredInMb", asked["MinMemoryRequiredInMb"]) < asked["MinMemoryRequiredInMb"]:
        raise validation("MaxMemoryRequiredInMb must not be less than MinMemoryRequiredInMb.")


def check_deployment(request: Mapping[str, Any]) -> None:
    """A rolling update takes all copies at once; alarms that would roll it back are refused. Raises Fault."""
    if request.get("DeploymentConfig", {}).get("AutoRollbackConfiguration"):
        raise unsupported("DeploymentConfig.AutoRollbackConfiguration of an inference component")


def _create(_: Context, request: Document) -> None:
    if "Specifications" in request:
        raise unsupported("Specifications (one for each instance type) of an inference component")
    if "Specification" not in request:
        raise validation("Specification must be given for an inference component.")
    if "RuntimeConfig" not in request:
        raise validation("RuntimeConfig must be given for an inference component.")
    check_specification(request["Specification"])


def _located(context: Context, spec: Document) -> Document:
    return {**spec, "EndpointArn": sagemaker_arn(context.world, f"endpoint/{spec['EndpointName'].lower()}")}


RULES: Mapping[str, tuple[Rule, ...]] = {"CreateInferenceComponent": (_create,)}
"""By operation, for the engine."""
QUIRKS: Mapping[str, Mapping[str, Any]] = {
    "InferenceComponent": {
        "references": (Reference("EndpointName", "Endpoint"), Reference("Specification.ModelName", "Model")),
        "fills": (_located,),
    }
}
"""For the engine."""
