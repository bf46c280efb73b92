"""The names, codes and defaults of SageMaker's quotas on instances. Pure.

Names are AWS's. AWS's codes are opaque; ours are made of the name, so they differ from AWS's. Defaults are those of a new account in
kind: some instances of ordinary types, none with accelerators, no warm pools (DG regions-quotas, train-warm-pools-resource-limits).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from sagewright.wire.model import StringShape, service_model

SERVICE = "sagemaker"
SERVICE_NAME = "Amazon SageMaker"

TRAINING = "training job usage"
SPOT = "spot training job usage"
WARM_POOL = "training warm pool usage"
_USAGES = {
    TRAINING: ("TrainingInstanceType", 4.0),
    SPOT: ("TrainingInstanceType", 4.0),
    WARM_POOL: ("TrainingInstanceType", 0.0),
}
"""The enumeration of instance types in the service model, and the default."""
_ACCELERATED = re.compile(r"ml\.(?:g|gr|p|trn|inf|dl)\d")


@dataclass(frozen=True, slots=True)
class Quota:
    """``value`` is the default."""

    name: str
    code: str
    value: float


def quota(instance_type: str, usage: str) -> Quota:
    """The quota on instances of a type for one use of them."""
    return _quota(f"{instance_type} for {usage}", 0.0 if _ACCELERATED.match(instance_type) else _USAGES[usage][1])


def find(text: str) -> Quota | None:
    """By name or code."""
    return _all()[1].get(text)


def quotas() -> tuple[Quota, ...]:
    """All of them, by name."""
    return _all()[0]


@cache
def _all() -> tuple[tuple[Quota, ...], dict[str, Quota]]:
    found = tuple(sorted(_listed(), key=lambda one: one.name))
    return found, {text: one for one in found for text in (one.name, one.code)}


def _listed() -> Iterator[Quota]:
    model = service_model("sagemaker")
    for usage, (shape, _) in _USAGES.items():
        types = model.shape_for(shape)
        assert isinstance(types, StringShape)
        for instance_type in types.enum:
            yield quota(instance_type, usage)


@cache
def _quota(name: str, value: float) -> Quota:
    return Quota(name, f"L-{hashlib.sha256(name.encode()).hexdigest()[:8].upper()}", value)
