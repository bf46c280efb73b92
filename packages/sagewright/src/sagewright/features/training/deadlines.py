"""When a training job has taken too long. Pure."""

from __future__ import annotations

from sagewright.features.training import progress
from sagewright.features.training.sight import Sight
from sagewright.store.rows import Resource

DEFAULT_MAX_RUNTIME = 86400
"""API StoppingCondition: one day."""


def overdue(resource: Resource, now: float) -> str:
    """The secondary status with which a job that takes too long ends; empty while it may go on."""
    return next((why for why, when in _limits(resource, now).items() if now >= when), "")


def next_look(resource: Resource, sight: Sight, now: float) -> float:
    """When the job must be looked at again, because it ends or its instances go."""
    found = list(_limits(resource, now).values())
    if sight.interrupt_after is not None:
        found.append(resource.status["Run"].get("Began", now) + sight.interrupt_after)
    return min(found, default=float("inf"))


def _limits(resource: Resource, now: float) -> dict[str, float]:
    """When the job ends at the latest, by what it ends with. MaxRuntime is of all attempts together (API StoppingCondition)."""
    condition = resource.spec.get("StoppingCondition", {})
    left = condition.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME) - progress.seconds(resource.status, now)
    found = {"MaxRuntimeExceeded": now + left} if "TrainingStartTime" in resource.status else {}
    if resource.spec.get("EnableManagedSpotTraining"):
        found["MaxWaitTimeExceeded"] = resource.created + condition["MaxWaitTimeInSeconds"]
    return found
