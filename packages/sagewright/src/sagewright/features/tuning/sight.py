"""What the controller of tuning jobs sees, and what it can do: plain frozen values, so that the plan stays pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sagewright.features.tuning.trial import Child, Trial
from sagewright.store.rows import Document


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at a job.

    ``children`` are the training jobs of the trials that have not ended, ``curves`` what they and earlier ones have printed, both by
    the number of the trial. ``proposals`` are what to try next, as many as there is room for. ``inherited``: what parents have
    found is at hand (or there are none); ``prior_best`` is the best of it, for OverallBestTrainingJob.
    """

    trials: tuple[Trial, ...] = ()
    children: Mapping[int, Child] = field(default_factory=dict)
    curves: Mapping[int, Sequence[float]] = field(default_factory=dict)
    proposals: tuple[Trial, ...] = ()
    inherited: bool = True
    prior_best: Document | None = None


@dataclass(frozen=True, slots=True)
class Inherit:
    """Copies what the parents of a warm start have found: they may be deleted while this job runs."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Writes a trial down and makes its training job."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Settle:
    """Writes down how a trial has ended."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Stop:
    """Stops the training job of a trial."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Drop:
    """Forgets a trial whose training job was never made."""

    trial: Trial


@dataclass(frozen=True, slots=True)
class Forget:
    """Lets go of what is kept in memory of a job that ends."""


Action = Inherit | Launch | Settle | Stop | Drop | Forget
