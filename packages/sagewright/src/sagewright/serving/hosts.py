"""Instances of an endpoint's variant that hold no model of their own: what inference components are placed on.

The endpoint's row says what runs; this reads it for those who may not know how endpoints are deployed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagewright.compute.placement import Size, size
from sagewright.store.rows import Resource


@dataclass(frozen=True, slots=True)
class Hosts:
    """The instances of one variant. ``role`` is the endpoint configuration's, ``isolated`` its EnableNetworkIsolation."""

    variant: str
    instance_type: str
    count: int
    role: str
    isolated: bool

    @property
    def size(self) -> Size:
        """What each of them has."""
        return size(self.instance_type)


def hosts(endpoint: Resource, variant: str) -> Hosts | None:
    """Of the variant, or of the only one when no name is given; None while nothing serves, or when the variant has a model."""
    active = (endpoint.status.get("Deployment") or {}).get("Active") or {}
    for entry in active.get("Variants", ()):
        if variant in ("", entry["Name"]) and is_host(entry["Container"]):
            return Hosts(entry["Name"], entry["InstanceType"], len(entry["Slots"]), entry["Role"], entry.get("Isolated", False))
    return None


def is_host(container: Mapping[str, Any]) -> bool:
    """Whether a variant with this container only gives room to inference components."""
    return not container
