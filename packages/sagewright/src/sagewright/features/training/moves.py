"""Moves that several parts of the plan of a training job make. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagewright.features.training import progress, warm_pool
from sagewright.features.training.sight import Action, Announce, ErrandName, Forget, Sight
from sagewright.jobs import steps
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errand
from sagewright.store.rows import Resource

GRACE_SECONDS = 120.0
"""API StopTrainingJob: SIGTERM, then 120 seconds to end gracefully. A spot instance has as long (EC2: a two-minute notice)."""
LINE_SECONDS = 5.0
"""Between two looks of a job that waits for a place: it is told when there is one, and has to ask now and then to keep its turn."""

MEMBER = "TrainingJobStatus"

JobPlan = Plan[Action]


def save(status: Mapping[str, Any], *actions: Action, due: float) -> JobPlan:
    """The actions, then this status."""
    return steps.save(MEMBER, status, *actions, due=due)


def end(resource: Resource, sight: Sight, status: Mapping[str, Any], result: Mapping[str, str], now: float) -> JobPlan:
    """The last status is written first and the run folder removed at the next look: a crash between loses nothing."""
    last = progress.finished(status, result, now, sight.price)
    freed = warm_pool.freed(last, resource.spec, now)
    return save(freed, *([Announce()] if warm_pool.status_of(freed) == warm_pool.AVAILABLE else []), due=now)


def again(resource: Resource, errand: ErrandName, seen: Errand, now: float) -> JobPlan:
    """Something outside the job is not there (S3, mostly): say so and try again."""
    secondary = resource.status["SecondaryStatus"]
    status = progress.entered(resource.status, secondary, f"{seen.problem} Trying again.", now)
    return save(status, Forget(errand), due=now + steps.RETRY_SECONDS)


def told(telling: Mapping[str, Any], when: float | None, grace: float, sight: Sight, now: float) -> JobPlan:
    """See jobs.steps."""
    return steps.told(MEMBER, telling, when, grace, steps.following(sight), now)
