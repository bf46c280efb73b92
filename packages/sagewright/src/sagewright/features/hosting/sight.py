"""What the controller of endpoints sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sagewright.features.hosting.demand import Wanted
from sagewright.features.hosting.deployment import Fleet, Place, VariantFleet
from sagewright.serving.step import Move
from sagewright.serving.unit import Seen
from sagewright.store.rows import Document

NOTHING = Seen()


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at an endpoint.

    ``replicas`` by place and attempt. When a new generation is asked for, ``wanted`` is what that would deploy, or ``refusal``
    says why it cannot be. ``alarms``: those of the deployment that are in state ALARM. ``demand``: of serverless variants by name.
    ``needed``: instances that managed variants of the active fleet should have, by name.
    """

    replicas: Mapping[tuple[Place, int], Seen] = field(default_factory=dict)
    wanted: Fleet | None = None
    refusal: str = ""
    alarms: tuple[str, ...] = ()
    demand: Mapping[str, Wanted] = field(default_factory=dict)
    needed: Mapping[str, int] = field(default_factory=dict)

    def of(self, place: Place, attempt: int) -> Seen:
        """What was seen of a replica."""
        return self.replicas.get((place, attempt), NOTHING)


@dataclass(frozen=True, slots=True)
class Act:
    """One move with one attempt of a replica; what it starts from is given only where it is needed."""

    move: Move
    place: Place
    attempt: int
    variant: VariantFleet | None = None


@dataclass(frozen=True, slots=True)
class Routed:
    """What a variant serves with: its replicas that have passed their health check, as place and attempt.

    ``config`` is the endpoint configuration it is part of. ``green``, of the new fleet, gets ``share`` of its calls.
    """

    variant: VariantFleet
    replicas: tuple[tuple[Place, int], ...]
    config: str = ""
    green: Routed | None = None
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Publish:
    """Puts the endpoint into the route snapshot. Each of ``shadows`` gets copies of its ``share`` of the calls; ``capture`` is the
    DataCaptureConfig in force, ``asynchronous`` the AsyncInferenceConfig, ``metrics`` the MetricsConfig, if there is one."""

    variants: tuple[Routed, ...]
    shadows: tuple[Routed, ...] = ()
    capture: Document | None = None
    asynchronous: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unpublish:
    """Takes the endpoint out of the route snapshot."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Removes the endpoint's folder."""


Action = Act | Publish | Unpublish | Clear
