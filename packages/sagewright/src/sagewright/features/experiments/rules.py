"""What an inference experiment may ask for. AWS documents the limits, not the wordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.experiments.settings import DAY, times
from sagewright.kernel.kind import Reference, Rule
from sagewright.kernel.operation import Context
from sagewright.store.rows import Document
from sagewright.wire.errors import validation

SHORTEST, LONGEST = 3600.0, 30 * DAY
"""Of an experiment (DG shadow-tests-create; API InferenceExperimentSchedule)."""


def check(context: Context, request: Mapping[str, Any]) -> None:
    """Of the whole description, at creation or after an update. Raises Fault."""
    check_variants(request)
    check_schedule(request.get("Schedule", {}), context.now)


def check_variants(request: Mapping[str, Any]) -> None:
    """One production variant and one shadow variant, each described. Raises Fault."""
    mode = request["ShadowModeConfig"]
    wanted = [mode["SourceModelVariantName"], mode["ShadowModelVariants"][0]["ShadowModelVariantName"]]
    named = [variant["VariantName"] for variant in request["ModelVariants"]]
    if sorted(named) != sorted(wanted) or len(set(wanted)) != len(wanted):
        raise validation(
            f"ModelVariants must describe the source variant {wanted[0]} and the shadow variant {wanted[1]}, and no other variant."
        )


def check_schedule(schedule: Mapping[str, Any], now: float) -> None:
    """Raises Fault."""
    start, end = times(schedule, now)
    if end <= max(start, now):
        raise validation("The end time of the schedule must be after its start time and in the future.")
    if not SHORTEST <= end - start <= LONGEST:
        raise validation("The duration of an inference experiment must be between 1 hour and 30 days.")


def check_stop(request: Mapping[str, Any], source: str, shadow: str) -> None:
    """What becomes of the two variants. Raises Fault."""
    actions = request["ModelVariantActions"]
    unknown = [name for name in actions if name not in (source, shadow)]
    if unknown:
        raise validation(f"The inference experiment has no variant {unknown[0]}.")
    kept, copied = actions.get(source, "Retain"), actions.get(shadow, "Remove")
    if (kept, copied) not in (("Retain", "Remove"), ("Retain", "Retain"), ("Remove", "Promote")):
        raise validation(
            f"{kept} of the production variant {source} and {copied} of the shadow variant {shadow} do not go together: "
            "an endpoint with a shadow variant has one production variant."
        )
    left = {name for name, action in ((source, kept), (shadow, copied)) if action != "Remove"}
    for variant in request.get("DesiredModelVariants", ()):
        if variant["VariantName"] not in left:
            raise validation(f"DesiredModelVariants names the variant {variant['VariantName']}, which does not stay.")


def incompatible(config: Mapping[str, Any], source: str) -> str:
    """Why an endpoint with this configuration cannot have a shadow test, or nothing (DG shadow-tests-create, Prerequisites)."""
    variants = config["ProductionVariants"]
    if [variant["VariantName"] for variant in variants] != [source]:
        return f"The endpoint must have the source variant {source} as its only production variant."
    (variant,) = variants
    found = {
        "asynchronous inference": config.get("AsyncInferenceConfig"),
        "serverless inference": variant.get("ServerlessConfig"),
        "inference components": "ModelName" not in variant,
        "Inf1 instances": variant.get("InstanceType", "").startswith("ml.inf1."),
    }
    used = next((feature for feature, value in found.items() if value), "")
    return f"Shadow tests are not supported on an endpoint that uses {used}." if used else ""


def incompatible_model(model: Mapping[str, Any]) -> str:
    """The same of a model: its containers."""
    containers = model.get("Containers", [])
    if len(containers) > 1:
        return "Shadow tests are not supported on an endpoint that uses several containers."
    container: Mapping[str, Any] = model.get("PrimaryContainer") or next(iter(containers), {})
    return (
        "Shadow tests are not supported on an endpoint that uses a multi-model container."
        if container.get("Mode") == "MultiModel"
        else ""
    )


def _create(context: Context, request: Document) -> None:
    check(context, request)


def _begins(_: Context, spec: Document) -> Document:
    """What Describe answers before the controller has looked."""
    return {
        "EndpointMetadata": {"EndpointName": spec["EndpointName"]},
        "ModelVariants": [{**variant, "Status": "Creating"} for variant in spec["ModelVariants"]],
    }


RULES: Mapping[str, tuple[Rule, ...]] = {"CreateInferenceExperiment": (_create,)}
"""By operation, for the engine."""
# The endpoint may be one that the experiment makes (DG shadow-tests-create), so it is not a reference.
QUIRKS: Mapping[str, Mapping[str, Any]] = {
    "InferenceExperiment": {"references": (Reference("ModelVariants[].ModelName", "Model"),), "fills": (_begins,)}
}
