"""Which copies find room on the instances of a variant. Pure.

Copies that run keep their places; the others come in the order in which their components were made. A copy goes to the instance with
the most room left (SPREAD) or with the least that is enough (BINPACK; API InferenceComponentSchedulingConfig).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sagewright.compute.placement import Size

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
