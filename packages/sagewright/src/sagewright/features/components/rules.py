"""What the requests about inference components may ask for, and what their rows say from the beginning. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagewright.base.arn import sagemaker_arn
from sagewright.kernel.kind import Reference, Rule
from sagewright.kernel.operation import Context
from sagewright.serving.members import refuse
from sagewright.store.rows import Document
from sagewright.wire.errors import validation


def check_specification(specification: Mapping[str, Any]) -> None:
    """Refuses what cannot be, or is not there yet. Raises Fault."""
    if "BaseInferenceComponentName" in specification:
        _check_adapter(specification)
        return
    container = specification.get("Container", {})
    if "ModelName" not in specification and "Image" not in container:
        raise validation(
            "Either ModelName or Container with an Image must be specified in the specification of an inference component."
        )
    refuse("InferenceComponentContainerSpecification", container, "Specification.Container")
    asked = specification.get("ComputeResourceRequirements")
    if asked is None:
        raise validation("ComputeResourceRequirements must be specified in the specification of an inference component.")
    refuse("InferenceComponentComputeResourceRequirements", asked, "Specification.ComputeResourceRequirements")
    if asked.get("MaxMemoryRequiredInMb", asked["MinMemoryRequiredInMb"]) < asked["MinMemoryRequiredInMb"]:
        raise validation("MaxMemoryRequiredInMb must not be less than MinMemoryRequiredInMb.")


def check_specifications(specifications: Sequence[Mapping[str, Any]]) -> None:
    """One for each instance type (API CreateInferenceComponent, Specifications); the words are ours. Raises Fault."""
    types = [each.get("InstanceType") for each in specifications]
    if None in types or len(set(types)) < len(types):
        raise validation("Each of the Specifications of an inference component must name an InstanceType of its own.")
    for each in specifications:
        if "BaseInferenceComponentName" in each:
            raise validation("An adapter inference component has one Specification, whatever the instance types are.")
        check_specification(each)


def _check_adapter(specification: Mapping[str, Any]) -> None:
    """API InferenceComponentSpecification: an adapter uses the model, the container and the resources of its base."""
    others = [name for name in specification if name not in ("BaseInferenceComponentName", "Container")]
    container = specification.get("Container", {})
    others += [f"Container.{name}" for name in container if name != "ArtifactUrl"]
    if others:
        raise validation(
            f"{', '.join(others)} cannot be specified for an adapter inference component: it uses what its base has."
        )
    if "ArtifactUrl" not in container:
        raise validation("Container with an ArtifactUrl must be specified for an adapter inference component.")


def check_deployment(request: Mapping[str, Any]) -> None:
    """API InferenceComponentDeploymentConfig, as far as the request alone tells. AWS documents the limits, not the wordings. Raises Fault."""
    policy = request.get("DeploymentConfig", {}).get("RollingUpdatePolicy")
    if policy is None:
        return
    size = policy["MaximumBatchSize"]
    if size["Type"] == "CAPACITY_PERCENT" and not 5 <= size["Value"] <= 50:
        raise validation(f"MaximumBatchSize of {size['Value']}% is not allowed; it must be between 5% and 50%.")
    back = policy.get("RollbackMaximumBatchSize", {"Type": "COPY_COUNT"})
    if back["Type"] == "CAPACITY_PERCENT" and back["Value"] > 100:
        raise validation(f"RollbackMaximumBatchSize of {back['Value']}% is not allowed; it must be at most 100%.")
    timeout, wait = policy.get("MaximumExecutionTimeoutInSeconds"), policy["WaitIntervalInSeconds"]
    if timeout is not None and timeout <= wait:
        raise validation(f"MaximumExecutionTimeoutInSeconds ({timeout}) must be larger than the waiting time ({wait} seconds).")


def check_batch(config: Mapping[str, Any], copies: int) -> None:
    """A number of copies, which must be a part of those there are; one copy always may be. Raises Fault."""
    size = config.get("RollingUpdatePolicy", {}).get("MaximumBatchSize", {"Type": ""})
    if size["Type"] == "COPY_COUNT" and size["Value"] > max(1, copies // 2):
        raise validation(f"MaximumBatchSize of {size['Value']} is more than half of the {copies} copies.")


def check_alarms(names: Sequence[str], states: Mapping[str, str]) -> None:
    """An update without its alarms would never be rolled back, so they must exist. Raises Fault."""
    missing = [name for name in names if name not in states]
    if missing:
        raise validation(f"Could not find the CloudWatch alarm(s) {', '.join(missing)} of AutoRollbackConfiguration.")


def _create(_: Context, request: Document) -> Document | None:
    if ("Specifications" in request) == ("Specification" in request):
        raise validation("Either Specification or Specifications must be given for an inference component, and not both.")
    adapts = "BaseInferenceComponentName" in request.get("Specification", {})
    if not adapts and "RuntimeConfig" not in request:
        raise validation("RuntimeConfig must be given for an inference component.")
    if "Specifications" in request:
        check_specifications(request["Specifications"])
        return None
    check_specification(request["Specification"])
    if adapts:  # SDK v2 sends a CopyCount whatever it is; an adapter has the copies of its base
        return {name: value for name, value in request.items() if name != "RuntimeConfig"}
    return None


def _located(context: Context, spec: Document) -> Document:
    return {**spec, "EndpointArn": sagemaker_arn(context.world, f"endpoint/{spec['EndpointName'].lower()}")}


RULES: Mapping[str, tuple[Rule, ...]] = {"CreateInferenceComponent": (_create,)}
"""By operation, for the engine."""
QUIRKS: Mapping[str, Mapping[str, Any]] = {
    "InferenceComponent": {
        "references": (
            Reference("EndpointName", "Endpoint"),
            Reference("Specification.ModelName", "Model"),
            Reference("Specifications[].ModelName", "Model"),
            Reference("Specification.BaseInferenceComponentName", "InferenceComponent"),
        ),
        "fills": (_located,),
    }
}
"""For the engine."""
