"""Steps that the plans of all kinds of jobs take. Pure."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any, TypeVar

from sagewright.jobs.sight import JobSight, Reserve, Signal, Watch
from sagewright.kernel.controller import Plan

RETRY_SECONDS = 3.0
WAIT_SECONDS = 1.0
SOON_SECONDS = 0.25
PEERS_GRACE_SECONDS = 10.0
"""What the other instances have when one has failed: nothing they still do can save the job."""

Action = TypeVar("Action")


def save(member: str, status: Mapping[str, Any], *actions: Action, due: float) -> Plan[Action]:
    """The actions, then this status; its ``member`` is the row's state."""
    return Plan(actions=actions, status=status, state=status[member], due=due)


def following(sight: JobSight) -> tuple[Reserve | Watch, ...]:
    """What is done for containers that run, whatever else happens to them."""
    return (Watch(),) if sight.placed else (Reserve(adopted=True), Watch())


def told(
    member: str, telling: Mapping[str, Any], when: float | None, grace: float, actions: tuple[Any, ...], now: float
) -> Plan[Any]:
    """What runs is told to end (``telling`` is the status then), and killed ``grace`` seconds after ``when`` it was told."""
    if when is None:
        return save(member, telling, Signal(signal.SIGTERM), *actions, due=now + SOON_SECONDS)
    if now >= when + grace:
        return Plan(actions=(Signal(signal.SIGKILL), *actions), due=now + WAIT_SECONDS)
    return Plan(actions=actions, due=min(now + pace(now - when), when + grace))


def pace(age: float) -> float:
    """How long until the next look at a running container: short jobs are followed closely, long ones cost little."""
    return min(2.0, max(SOON_SECONDS, age / 20))
