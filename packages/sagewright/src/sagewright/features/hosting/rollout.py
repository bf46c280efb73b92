"""Where the deployment of a new fleet stands: a frozen value in the endpoint's row, so that a killed control goes on with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from sagewright.features.hosting.policy import Policy
from sagewright.store.rows import Document

Stage = Literal["Creating", "Updating", "ActivatingTraffic", "Baking", "Deleting"]
"""API ProductionVariantStatus."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """``since``: when the stage began; ``step``: steps of traffic taken; times in epoch seconds.

    ``config``: the DeploymentConfig in force. ``full`` and ``old``: instances of the whole new and of the whole old fleet, of a
    rolling deployment, which never has both. ``back``: why it goes back, empty while it goes forward; ``fresh``: by variant, the
    first index of the instances that are made for the way back, or by a change of capacity (stage Updating), which keeps in
    ``before`` the instances and weights there were; ``stuck``: it could not go back.
    """

    started: float
    since: float
    stage: Stage = "Creating"
    step: int = 0
    config: Document | None = None
    full: int = 0
    old: int = 0
    back: str = ""
    fresh: Document | None = None
    before: Document | None = None
    stuck: bool = False

    @property
    def policy(self) -> Policy:
        """How it goes."""
        return Policy.of(self.config or {})

    @property
    def rolling(self) -> bool:
        """Whether instances are replaced batch by batch."""
        return "RollingUpdatePolicy" in (self.config or {})

    def enter(self, stage: Stage, now: float) -> Rollout:
        """The next stage begins."""
        return replace(self, stage=stage, since=now)

    @classmethod
    def of(cls, document: Any) -> Rollout | None:
        """From a row's document; rows of earlier versions have none."""
        if not document:
            return None
        return cls(**{_MEMBERS[name]: value for name, value in document.items()})

    def document(self) -> Document:
        """For a row's document."""
        return {name: getattr(self, member) for name, member in _MEMBERS.items()}


_MEMBERS = {
    "Started": "started",
    "Since": "since",
    "Stage": "stage",
    "Step": "step",
    "Config": "config",
    "Full": "full",
    "Old": "old",
    "Back": "back",
    "Fresh": "fresh",
    "Before": "before",
    "Stuck": "stuck",
}
