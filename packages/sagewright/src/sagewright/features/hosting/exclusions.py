"""What cannot be deployed step by step (DG deployment-guardrails-exclusions)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.hosting.deployment import Fleet, VariantFleet
from sagewright.serving.hosts import is_host
from sagewright.store.rows import Document

EXCLUDED_TYPES = ("ml.inf1.",)


def in_force(config: Mapping[str, Any], active: Fleet, wanted: Fleet) -> Document:
    """The DeploymentConfig between two fleets. What is excluded falls back to all at once without a bake, and so without alarms."""
    variants = (*active.variants, *wanted.variants)
    same = sorted(variant.name for variant in active.variants) == sorted(variant.name for variant in wanted.variants)
    several = len(wanted.variants) > 1 or bool(active.shadows or wanted.shadows)
    if not same or any(map(_is_excluded, variants)) or ("RollingUpdatePolicy" in config and several):
        return {}
    return dict(config)


def _is_excluded(variant: VariantFleet) -> bool:
    """Inf1, serverless, and hosts of components, which are placed on whatever instances there are: their calls cannot be shared."""
    return variant.instance_type.startswith(EXCLUDED_TYPES) or bool(variant.serverless) or is_host(variant.container)
