"""Scaling activities: what was done to a target, why, and how far it is. They outlive the target, for six weeks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sagewright.base.world import World
from sagewright.neighbours.autoscaling.rows import ACTIVITY
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

KEPT = 42 * 86_400.0
"""Seconds (API DescribeScalingActivities: the previous six weeks)."""
MOST = 1000
"""Of a target; the oldest go first."""
PENDING, IN_PROGRESS, SUCCESSFUL, OVERRIDDEN, FAILED = "Pending", "InProgress", "Successful", "Overridden", "Failed"
OPEN = (PENDING, IN_PROGRESS)


def record(transaction: Transaction, world: World, target: str, activity: Mapping[str, Any], now: float) -> None:
    """Writes an activity down, or what has become of it; ``target`` is the target's key."""
    known = transaction.resources.get(world, ACTIVITY, activity["ActivityId"])
    if known is not None:
        transaction.resources.save(replace(known, spec=dict(activity), state=activity["StatusCode"], modified=now))
        return
    _forget(transaction, world, target, now)
    row = Resource(
        world,
        ACTIVITY,
        activity["ActivityId"],
        name=target,
        state=activity["StatusCode"],
        parent=target,
        spec=dict(activity),
        created=activity["StartTime"],
        modified=now,
    )
    transaction.resources.insert(row)


def say(transaction: Transaction, world: World, activity: str, message: str, now: float) -> None:
    """Changes what an activity says of itself."""
    known = transaction.resources.get(world, ACTIVITY, activity)
    if known is not None and known.spec.get("StatusMessage") != message:
        transaction.resources.save(replace(known, spec={**known.spec, "StatusMessage": message}, modified=now))


def override(transaction: Transaction, target: Resource, message: str, now: float) -> None:
    """Ends what is under way for a target that goes."""
    for code in OPEN:
        for row in transaction.resources.query(target.world, ACTIVITY, parent=target.key, state=code, limit=MOST):
            ended = {**row.spec, "StatusCode": OVERRIDDEN, "StatusMessage": message, "EndTime": now}
            transaction.resources.save(replace(row, spec=ended, state=OVERRIDDEN, modified=now))


def listed(transaction: Transaction, world: World) -> list[Document]:
    """Every activity of the last six weeks, newest first."""
    since = transaction.resources.query(world, ACTIVITY, limit=10_000)
    return [dict(row.spec) for row in since]


def _forget(transaction: Transaction, world: World, target: str, now: float) -> None:
    rows = transaction.resources.query(world, ACTIVITY, parent=target, limit=MOST + 1)
    for row in rows[MOST - 1 :]:
        transaction.resources.delete(row)
    for row in rows[: MOST - 1]:
        if row.created < now - KEPT:
            transaction.resources.delete(row)
