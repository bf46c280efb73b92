"""ProductionVariants of DescribeEndpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.hosting import serverless
from sagewright.features.hosting.deployment import Fleet, VariantFleet
from sagewright.store.rows import Document


def summary(fleet: Fleet, spec: Mapping[str, Any], *, creating: bool) -> list[Document]:
    """One entry per variant; ``spec`` holds the wishes of UpdateEndpointWeightsAndCapacities (member ``Desired``)."""
    wishes = spec.get("Desired", {})
    return [_variant(variant, wishes.get(variant.name, {}), creating=creating) for variant in fleet.variants]


def _variant(variant: VariantFleet, wish: Mapping[str, Any], *, creating: bool) -> Document:
    image = variant.container.get("Image", "")
    document: Document = {
        "VariantName": variant.name,
        "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": image}],
        "CurrentWeight": variant.weight,
        "DesiredWeight": wish.get("DesiredWeight", variant.weight),
        "CurrentInstanceCount": sum(slot.served for slot in variant.slots),
        "DesiredInstanceCount": len(variant.slots),
    }
    if variant.serverless:
        del document["DesiredInstanceCount"]
        document |= serverless.summary(variant, wish)
    if creating:
        document["VariantStatus"] = [{"Status": "Creating"}]
    return document
