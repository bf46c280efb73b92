"""Managed instance scaling: a variant of inference components has as many instances as their copies need (API ProductionVariant,
ManagedInstanceScaling; DG endpoint-auto-scaling-zero-instances)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.compute.placement import size
from sagewright.features.hosting.deployment import Fleet, VariantFleet
from sagewright.serving import room
from sagewright.serving.definition import unsupported
from sagewright.store.database import Transaction
from sagewright.store.rows import Resource
from sagewright.wire.errors import validation

COMPONENT = "InferenceComponent"
LOOK_SECONDS = 5.0
"""Between two looks at what the copies need."""
_MOST = 1000
"""Components of an account that are looked at."""


def bounds(asked: Mapping[str, Any], most: int) -> tuple[int, int] | None:
    """Fewest and most instances of a production variant as it was asked for; None where they are not managed. AWS publishes no
    default for the bounds: one, and as many as a variant can have."""
    managed = asked.get("ManagedInstanceScaling", {})
    if managed.get("Status") != "ENABLED":
        return None
    return managed.get("MinInstanceCount", 1), managed.get("MaxInstanceCount", most)


def check(asked: Mapping[str, Any], most: int) -> None:
    """Refuses what cannot be. Raises Fault; the wording is ours."""
    if "ScaleInPolicy" in asked.get("ManagedInstanceScaling", {}):
        raise unsupported("ProductionVariants.ManagedInstanceScaling.ScaleInPolicy")
    found = bounds(asked, most)
    if found is None:
        return
    if "ModelName" in asked:
        raise validation("ManagedInstanceScaling is for production variants of inference components, which name no model.")
    if not found[0] <= found[1] <= most:
        raise validation(f"MinInstanceCount must be at most MaxInstanceCount, and that at most {most}.")


def needed(transaction: Transaction, endpoint: Resource, fleet: Fleet) -> dict[str, int]:
    """How many instances each managed variant of a fleet should have now."""
    managed = [variant for variant in fleet.variants if variant.managed is not None]
    if not managed:
        return {}
    rows = transaction.resources.query(endpoint.world, COMPONENT, order="created", descending=False, limit=_MOST)
    near = [row for row in rows if row.spec["EndpointName"] == endpoint.key and row.state not in ("Failed", "Deleting")]
    return {variant.name: _of(variant, near, alone=len(fleet.variants) == 1) for variant in managed}


def _of(variant: VariantFleet, components: list[Resource], *, alone: bool) -> int:
    """A component that names no variant is the only one's."""
    assert variant.managed is not None
    names = (variant.name, None) if alone else (variant.name,)
    claims = [
        room.claim_of(row, variant.instance_type)
        for row in components
        if room.takes_room(row) and row.spec.get("VariantName") in names
    ]
    return room.instances(size(variant.instance_type), claims, *variant.managed)
