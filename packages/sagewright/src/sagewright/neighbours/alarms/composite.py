"""Composite alarms: their state follows from that of other alarms.

They are rows of the same kind as metric alarms, below the parent ``composite``. A change of another alarm's state makes those that name it
due, in its transaction; their own evaluation is a look of the controller's (watch.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sagewright.base.world import World
from sagewright.neighbours.requests import refuse
from sagewright.signals import alarms
from sagewright.signals.alarm_expression import RuleError, names, parse
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

PARENT = "composite"
_CODE = "ValidationError"


def is_composite(row: Resource) -> bool:
    """Whether an alarm has a rule instead of a metric."""
    return "AlarmRule" in row.spec


def children(row: Resource) -> frozenset[str]:
    """The alarms that a composite alarm's rule names."""
    return names(parse(row.spec["AlarmRule"]))


def of(transaction: Transaction, world: World, name: str) -> list[Resource]:
    """The composite alarms whose rule names this alarm."""
    rows = transaction.resources.query(world, alarms.KIND, parent=PARENT, order="name", descending=False, limit=alarms.MOST)
    return [row for row in rows if name in children(row)]


def wake(transaction: Transaction, changed: Resource, now: float) -> None:
    """Those that name an alarm whose state has changed are judged at once."""
    for row in of(transaction, changed.world, changed.key):
        transaction.resources.save(replace(row, due=now))


def check(request: Document) -> None:
    """Raises Fault for a rule that is none, and for what is not honoured."""
    refuse(
        request,
        _CODE,
        "ActionsSuppressor",
        "ActionsSuppressorWaitPeriod",
        "ActionsSuppressorExtensionPeriod",
        "ActionConfiguration",
    )
    try:
        parse(request["AlarmRule"])
    except RuleError as problem:
        raise Fault(_CODE, f"AlarmRule is not valid: {problem}.") from None


def check_family(transaction: Transaction, world: World, request: Document) -> None:
    """Raises Fault for alarms that are not there, and for an alarm that would be its own descendant."""
    wanted = names(parse(request["AlarmRule"]))
    missing = sorted(name for name in wanted if transaction.resources.get(world, alarms.KIND, name) is None)
    if missing:
        raise Fault(_CODE, f"Could not save the composite alarm as alarms {missing} in the alarm rule do not exist")
    if request["AlarmName"] in _descendants(transaction, world, wanted):
        raise Fault(_CODE, "Could not save the composite alarm as its alarm rule leads back to itself")


def check_unused(transaction: Transaction, world: World, name: str, going: Collection[str]) -> None:
    """Raises Fault for an alarm that a composite one, which stays, depends on."""
    if any(row.key not in going for row in of(transaction, world, name)):
        raise Fault(_CODE, f"Cannot delete {name} as there are composite alarm(s) depending on it.")


def _descendants(transaction: Transaction, world: World, wanted: Collection[str]) -> set[str]:
    found: set[str] = set()
    open_names = set(wanted)
    while open_names:
        name = open_names.pop()
        found.add(name)
        row = transaction.resources.get(world, alarms.KIND, name)
        if row is not None and is_composite(row):
            open_names |= children(row) - found
    return found
