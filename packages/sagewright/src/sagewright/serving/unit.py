"""One serving container as plain data: what it starts from, and what is seen of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sagewright.compute.runtime import Limits, Observed
from sagewright.signals.tail import Source
from sagewright.store.rows import Identity

MISSING = Observed("missing")
NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Unit:
    """One serving container: everything needed to start it, and to find it again.

    ``identity`` is the row that is told when something happens. ``home`` holds the model and a run folder per attempt. ``key``
    names it for ever. ``container`` is a ContainerDefinition, ``env`` what is added to its environment. ``isolated``: it may
    not call anybody (EnableNetworkIsolation). ``adapts``: adapters may be brought to it while it runs. ``kept``: where its model is kept
    for it and others that start from the same; None: it fetches its own.
    """

    identity: Identity
    home: Path
    key: str
    attempt: int
    group: str
    stream: str
    container: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    role: str = ""
    isolated: bool = False
    limits: Limits = NO_LIMITS
    download_timeout: float = 3600.0
    adapts: bool = False
    kept: Path | None = None

    @property
    def run(self) -> Path:
        """The run folder of this attempt."""
        return self.home / str(self.attempt)

    @property
    def ml(self) -> Path:
        """What the container sees as /opt/ml."""
        return self.home / "ml"

    @property
    def models(self) -> Path:
        """What a container of many models sees as /opt/ml/models."""
        return self.home / "models"

    @property
    def adapters(self) -> Path:
        """What a container that may take adapters sees as /opt/ml/adapters."""
        return self.home / "adapters"

    @property
    def source(self) -> Source:
        """Its log."""
        said = self.said.read_text() if self.said.exists() else ""
        return Source(self.identity[0], self.group, self.stream, self.run / "stdout", (said,) if said else ())

    @property
    def said(self) -> Path:
        """What its log begins with, known before the container starts."""
        return self.home / "said"


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at one unit.

    ``model``: whether its model lies ready (``failed``: ``problem`` says why, for the user). ``container``: its present attempt.
    ``preflight`` tells of its start while it has not passed a health check. ``healthy``: it has passed a health check since this process looks at it. ``silent``: seconds since it last did.
    ``waits``: why the container cannot be started now although its model is ready.
    """

    model: Literal["absent", "coming", "ready", "failed"] = "absent"
    problem: str = ""
    container: Observed = MISSING
    healthy: bool = False
    silent: float = 0.0
    preflight: str = ""
    waits: str = ""
