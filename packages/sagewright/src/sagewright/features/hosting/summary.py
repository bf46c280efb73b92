"""ProductionVariants and PendingDeploymentSummary of DescribeEndpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.hosting import serverless
from sagewright.features.hosting.deployment import Fleet, VariantFleet
from sagewright.features.hosting.rollout import Rollout
from sagewright.features.hosting.takeover import activated
from sagewright.serving.definition import images
from sagewright.store.rows import Document


def summary(fleet: Fleet, spec: Mapping[str, Any], rollout: Rollout | None, updating: Rollout | None) -> Document:
    """The members with one entry per variant and shadow; ``rollout`` is that of an endpoint that is being made.

    ``updating``: a change of capacity; without one, instances that are missing have died.

    ``spec`` holds the wishes of UpdateEndpointWeightsAndCapacities (member ``Desired``).
    """
    wishes = spec.get("Desired", {})

    def entry(variant: VariantFleet) -> Document:
        document = _variant(variant, wishes.get(variant.name, {}))
        if rollout is not None:
            document["VariantStatus"] = [_stage(variant, rollout)]
        elif updating is not None and document["DesiredInstanceCount"] != document["CurrentInstanceCount"]:
            # Wording: DG automating-sagemaker-with-eventbridge.
            words = f"Scaling out desired instance count to {len(variant.slots)}."
            document["VariantStatus"] = [{"Status": "Updating", "StatusMessage": words, "StartTime": updating.since}]
        return document

    return _members(fleet, entry)


def pending(fleet: Fleet, spec: Mapping[str, Any], rollout: Rollout | None) -> Document:
    """Of a fleet that is to take over. Its current instances are those that get calls, as soon as any do (the same page)."""
    wishes = spec.get("Desired", {})

    def entry(variant: VariantFleet) -> Document:
        document = _variant(variant, wishes.get(variant.name, {}))
        if variant.instance_type:
            document["InstanceType"] = variant.instance_type
        if rollout is not None:
            document["VariantStatus"] = [_stage(variant, rollout)]
            if rollout.rolling:
                document["DesiredInstanceCount"] = rollout.full
            if rollout.step and not rollout.back:
                document["CurrentInstanceCount"] = activated(rollout, variant)
        return document

    return {
        "EndpointConfigName": fleet.config,
        **_members(fleet, entry),
        **({"StartTime": rollout.started} if rollout else {}),
    }


def waiting(document: Document, former: Mapping[str, Any], waits: Mapping[str, str], now: float) -> None:
    """Says of each variant of an answer what its instances wait for; ``former`` is the answer as it was."""
    for member in ("ProductionVariants", "ShadowProductionVariants"):
        before = {entry["VariantName"]: entry.get("VariantStatus", [{}])[0] for entry in former.get(member, ())}
        for entry in document.get(member, ()):
            words = waits.get(entry["VariantName"])
            if words:
                since = before.get(entry["VariantName"], {}).get("StartTime", now)
                (stage,) = entry.get("VariantStatus", [{"Status": "Updating", "StartTime": since}])
                entry["VariantStatus"] = [{**stage, "StatusMessage": words}]


def _members(fleet: Fleet, entry: Any) -> Document:
    document: Document = {"ProductionVariants": [entry(variant) for variant in fleet.variants]}
    if fleet.shadows:
        document["ShadowProductionVariants"] = [entry(variant) for variant in fleet.shadows]
    return document


def _variant(variant: VariantFleet, wish: Mapping[str, Any]) -> Document:
    return {
        "VariantName": variant.name,
        "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": image} for image in images(variant.container)],
        "CurrentWeight": variant.weight,
        "DesiredWeight": wish.get("DesiredWeight", variant.weight),
        "CurrentInstanceCount": sum(slot.served for slot in variant.slots),
        "DesiredInstanceCount": len(variant.slots),
        **(serverless.summary(variant, wish) if variant.serverless else {}),
        **(_managed(*variant.managed) if variant.managed is not None else {}),
    }


def _managed(lowest: int, highest: int) -> Document:
    scaling = {"Status": "ENABLED", "MinInstanceCount": lowest, "MaxInstanceCount": highest}
    return {"ManagedInstanceScaling": scaling}


def _stage(variant: VariantFleet, rollout: Rollout) -> Document:
    """API ProductionVariantStatus, in the words of DG automating-sagemaker-with-eventbridge."""
    return {"Status": rollout.stage, "StatusMessage": _message(variant, rollout), "StartTime": rollout.since}


def _message(variant: VariantFleet, rollout: Rollout) -> str:
    count = activated(rollout, variant)
    whole = rollout.full if rollout.rolling else len(variant.slots)
    size = "full" if count >= whole else "canary" if rollout.policy.kind == "CANARY" else "partial"
    match rollout.stage:
        case "Creating" | "Updating":
            return f"Launching {len(variant.slots) - sum(slot.served for slot in variant.slots)} instance(s)."
        case "Deleting":
            return f"Terminating {len(variant.slots)} instance(s)."
        case "ActivatingTraffic":
            return f"Activating traffic on {size} capacity of {count} instance(s)."
    last = size == "full" and not rollout.rolling
    seconds, member = rollout.policy.bake(last=last), "TerminationWaitInSeconds" if last else "WaitIntervalInSeconds"
    return f"Baking for {seconds:.0f} seconds ({member}) with traffic enabled on {size} capacity of {count} instance(s)."
