"""What a quota is in an account and region: its default, or what it was raised to. One row for each that was raised."""

from __future__ import annotations

from dataclasses import replace

from sagewright.base.world import World
from sagewright.quotas.names import Quota
from sagewright.store.database import Transaction
from sagewright.store.rows import Resource
from sagewright.wire.errors import Fault

KIND = "quotas.Value"


def value(transaction: Transaction, world: World, quota: Quota) -> float:
    """How many instances the account may use."""
    row = transaction.resources.get(world, KIND, quota.code)
    return quota.value if row is None else float(row.spec["Value"])


def put(transaction: Transaction, world: World, quota: Quota, new: float, now: float) -> None:
    """Raises or lowers it."""
    row = transaction.resources.get(world, KIND, quota.code)
    spec = {"Value": new}
    if row is None:
        made = Resource(world, KIND, quota.code, name=quota.name, spec=spec, created=now, modified=now)
        transaction.resources.insert(made)
    else:
        transaction.resources.save(replace(row, spec=spec, modified=now))


def exceeded(quota: Quota, limit: float, used: int, more: int, here: bool = True) -> Fault:
    """AWS's code and words; if it can be raised ``here``, also the command that does it."""
    name = quota.name
    command = f" (Here: sagewright quota raise '{name}' {used + more})" if here else ""
    return Fault(
        "ResourceLimitExceeded",
        f"The account-level service limit '{name}' is {limit:.0f} Instances, with current utilization of {used} Instances and a "
        f"request delta of {more} Instances. Please use AWS Service Quotas to request an increase for this quota. If AWS Service "
        "Quotas is not available, contact AWS support to request an increase for this "
        f"quota.{command}",
    )
