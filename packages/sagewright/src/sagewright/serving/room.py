"""Which copies of inference components find room on the instances of a variant, and how many instances give room to all. Pure.

Copies that run keep their places; the others come in the order in which their components were made. A copy goes to the instance with
the most room left (SPREAD) or with the least that is enough (BINPACK; API InferenceComponentSchedulingConfig).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagewright.compute.placement import Size
from sagewright.store.rows import Resource

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Need:
    """What one copy takes: cores, bytes, accelerators."""

    cpus: float
    memory: int
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class Claim:
    """How many copies a component wants, and how many of them have their place."""

    name: str
    need: Need
    wanted: int
    held: int
    packs: bool = False


def specification(spec: Mapping[str, Any], instance_type: str) -> Mapping[str, Any]:
    """What a component's row says for instances of a type: its one specification, or of several the one for the type (API
    CreateInferenceComponent, Specifications); empty where there is none."""
    several: Sequence[Mapping[str, Any]] = spec.get("Specifications", ())
    found: Mapping[str, Any] = spec.get("Specification", {})
    return next((each for each in several if each["InstanceType"] == instance_type), found)


def need_of(spec: Mapping[str, Any], instance_type: str) -> Need:
    """What one copy of a component takes of an instance of a type, by its row's spec."""
    asked = specification(spec, instance_type).get("ComputeResourceRequirements", {})
    return Need(
        float(asked.get("NumberOfCpuCoresRequired", 0.0)),
        int(asked.get("MinMemoryRequiredInMb", 128)) * MIB,
        float(asked.get("NumberOfAcceleratorDevicesRequired", 0.0)),
    )


def takes_room(row: Resource) -> bool:
    """Whether a component has copies of its own; an adapter lives in those of its base."""
    return "BaseInferenceComponentName" not in row.spec.get("Specification", {})


def claim_of(row: Resource, instance_type: str) -> Claim:
    """What a component's row asks of instances of a type, and has: while an update rolls, its new copies keep what old ones leave."""
    copies = row.status.get("Copies", {})
    serving = ("Active", "Target") if copies.get("Rollout") else ("Active",)
    held = sum(len((copies.get(crew) or {}).get("Slots", ())) for crew in serving)
    scheduling = specification(row.spec, instance_type).get("SchedulingConfig", {})
    packs = scheduling.get("PlacementStrategy") == "BINPACK"
    wanted = row.spec["RuntimeConfig"]["CopyCount"]
    return Claim(row.key, need_of(row.spec, instance_type), wanted, held, packs)


def instances(instance: Size, claims: Sequence[Claim], lowest: int, highest: int) -> int:
    """The least number of instances, within bounds, on which every copy that fits at all finds room; else the highest."""
    whole = Need(instance.cpus, instance.memory, instance.gpus)
    possible = [claim for claim in claims if _fits(claim.need, whole)]
    for count in range(lowest, highest):
        found = places(instance, count, possible)
        if all(found[claim.name] == claim.wanted for claim in possible):
            return count
    return highest


def places(instance: Size, count: int, claims: Sequence[Claim]) -> dict[str, int]:
    """How many copies of each component find room on ``count`` instances; ``claims`` in the order of their components."""
    free = [Need(instance.cpus, instance.memory, instance.gpus) for _ in range(count)]
    found = {claim.name: 0 for claim in claims}
    for wanted in ([min(claim.held, claim.wanted) for claim in claims], [claim.wanted for claim in claims]):
        for claim, most in zip(claims, wanted, strict=True):
            while found[claim.name] < most and _place(free, claim):
                found[claim.name] += 1
    return found


def _place(free: list[Need], claim: Claim) -> bool:
    fitting = [at for at, left in enumerate(free) if _fits(claim.need, left)]
    if not fitting:
        return False
    order = min if claim.packs else max
    chosen = order(fitting, key=lambda at: (free[at].memory, free[at].cpus, -at))
    left, need = free[chosen], claim.need
    free[chosen] = Need(left.cpus - need.cpus, left.memory - need.memory, left.gpus - need.gpus)
    return True


def _fits(need: Need, left: Need) -> bool:
    return need.cpus <= left.cpus and need.memory <= left.memory and need.gpus <= left.gpus
