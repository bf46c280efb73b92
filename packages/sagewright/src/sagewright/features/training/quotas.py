"""What training jobs use of the account's quotas, and what Create refuses because of them (API errors, ResourceLimitExceeded)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sagewright.base.world import World
from sagewright.features.training import warm_pool
from sagewright.jobs.instances import groups
from sagewright.quotas import values
from sagewright.quotas.names import SPOT, TRAINING, WARM_POOL, Quota, quota
from sagewright.store.database import Transaction
from sagewright.store.rows import Resource

KIND = "TrainingJob"
_BUSY = ("InProgress", "Stopping")


def check(transaction: Transaction, world: World, spec: Mapping[str, Any]) -> None:
    """Raises Fault for a job that would take the account over a quota. A job that finds a warm pool takes nothing more."""
    if warm_pool.may_reuse(spec) and warm_pool.kind_of_instances(spec) in _available(transaction, world):
        return
    now = usage(transaction, world)
    for wanted, more in _asked(spec).items():
        limit, used = values.value(transaction, world, wanted), now[wanted]
        if used + more > limit:
            raise values.exceeded(wanted, limit, used, more)


def has_room_for_pool(transaction: Transaction, resource: Resource) -> bool:
    """Whether the instances of a job may be kept when it ends."""
    config = resource.spec["ResourceConfig"]
    wanted = quota(config["InstanceType"], WARM_POOL)
    limit = values.value(transaction, resource.world, wanted)
    return usage(transaction, resource.world)[wanted] + int(config["InstanceCount"]) <= limit


def usage(transaction: Transaction, world: World) -> Counter[Quota]:
    """Instances that are used now; those of warm pools count twice, as what they are and as training (DG warm pools)."""
    found = Counter[Quota]()
    for row in _rows(transaction, world):
        pool = warm_pool.status_of(row.status)
        if row.state in _BUSY or pool == warm_pool.AVAILABLE:
            found += _asked(row.spec)
        if pool in (warm_pool.IN_USE, warm_pool.AVAILABLE):
            config = row.spec["ResourceConfig"]
            found[quota(config["InstanceType"], WARM_POOL)] += config["InstanceCount"]
    return found


def _asked(spec: Mapping[str, Any]) -> Counter[Quota]:
    use = SPOT if spec.get("EnableManagedSpotTraining") else TRAINING
    found = Counter[Quota]()
    for group in groups(spec["ResourceConfig"]):
        found[quota(group["InstanceType"], use)] += group["InstanceCount"]
    return found


def _available(transaction: Transaction, world: World) -> set[tuple[Any, ...]]:
    rows = _rows(transaction, world)
    return {warm_pool.kind_of_instances(row.spec) for row in rows if warm_pool.status_of(row.status) == warm_pool.AVAILABLE}


def _rows(transaction: Transaction, world: World) -> list[Resource]:
    """Of the jobs that have ended only those that are not settled: their warm pools are kept."""
    unsettled = [identity for identity, _ in transaction.resources.unsettled([KIND]) if identity[0] == world]
    return [row for identity in unsettled if (row := transaction.resources.get(*identity)) is not None]
