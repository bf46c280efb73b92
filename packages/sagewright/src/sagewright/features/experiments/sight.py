"""What the controller of experiments sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from sagewright.store.rows import Document


@dataclass(frozen=True, slots=True)
class Sight:
    """``endpoint``: DescribeEndpoint, None when it is not there; ``config``: DescribeEndpointConfig of what it runs.

    ``refusal``: why something was refused for good, empty when nothing was.
    """

    endpoint: Document | None = None
    config: Document = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Deploy:
    """Brings the endpoint to this configuration, which is made when it is not there."""

    endpoint: str
    config: Document


@dataclass(frozen=True, slots=True)
class Sample:
    """Gives the shadow variant this weight."""

    endpoint: str
    variant: str
    weight: float


Action = Deploy | Sample
