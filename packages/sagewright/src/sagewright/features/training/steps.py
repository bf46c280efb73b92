"""Steps that several parts of the plan of a training job take. Pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from sagewright.features.training import progress, warm_pool
from sagewright.features.training.sight import Action, Announce, ErrandName, Forget, Reserve, Sight, Signal, Watch
from sagewright.kernel.controller import Plan
from sagewright.kernel.errands import Errand
from sagewright.store.rows import Resource

GRACE_SECONDS = 120.0
"""API StopTrainingJob: SIGTERM, then 120 seconds to end gracefully. A spot instance has as long (EC2: a two-minute notice)."""
RETRY_SECONDS = 3.0
WAIT_SECONDS = 1.0
SOON_SECONDS = 0.25
LINE_SECONDS = 5.0
"""Between two looks of a job that waits for a place: it is told when there is one, and has to ask now and then to keep its turn."""

JobPlan = Plan[Action]


def save(status: Mapping[str, Any], *actions: Action, due: float) -> JobPlan:
    """The actions, then this status."""
    return Plan(actions=actions, status=status, state=status["TrainingJobStatus"], due=due)


def end(resource: Resource, sight: Sight, status: Mapping[str, Any], result: Mapping[str, str], now: float) -> JobPlan:
    """The last status is written first and the run folder removed at the next look: a crash between loses nothing."""
    last = progress.finished(status, result, now, sight.price)
    freed = warm_pool.freed(last, resource.spec, now)
    return save(freed, *([Announce()] if warm_pool.status_of(freed) == warm_pool.AVAILABLE else []), due=now)


def again(resource: Resource, errand: ErrandName, seen: Errand, now: float) -> JobPlan:
    """Something outside the job is not there (S3, mostly): say so and try again."""
    secondary = resource.status["SecondaryStatus"]
    status = progress.entered(resource.status, secondary, f"{seen.problem} Trying again.", now)
    return save(status, Forget(errand), due=now + RETRY_SECONDS)


def following(sight: Sight) -> tuple[Action, ...]:
    """What is done for containers that run, whatever else happens to them."""
    return (Watch(),) if sight.placed else (Reserve(adopted=True), Watch())


def told(telling: Mapping[str, Any], when: float | None, grace: float, actions: tuple[Action, ...], now: float) -> JobPlan:
    """What runs is told to end (``telling`` is the status then), and killed ``grace`` seconds after ``when`` it was told."""
    if when is None:
        return save(telling, Signal(signal.SIGTERM), *actions, due=now + SOON_SECONDS)
    if now >= when + grace:
        return Plan(actions=(Signal(signal.SIGKILL), *actions), due=now + WAIT_SECONDS)
    return Plan(actions=actions, due=min(now + pace(now - when), when + grace))


def pace(age: float) -> float:
    """How long until the next look at a running container: short jobs are followed closely, long ones cost little."""
    return min(2.0, max(SOON_SECONDS, age / 20))
