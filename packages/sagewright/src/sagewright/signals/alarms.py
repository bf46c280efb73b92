"""Alarms of CloudWatch as rows: their state, what follows from a change of it, their history.

An alarm's spec is what PutMetricAlarm said, its state is OK, ALARM or INSUFFICIENT_DATA. Every change of state is written together
with its history, so that who reads states, now or after a restart, sees what was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from sagewright.base.world import World
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

KIND = "cloudwatch:Alarm"
HISTORY = "alarm-history"
OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
MOST = 5000
"""Alarms of an account in a region (CloudWatch quotas)."""
KEPT_DAYS = 30
"""DescribeAlarmHistory keeps 30 days (CloudWatch user guide)."""

ACTIONS: Mapping[str, str] = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT_DATA: "InsufficientDataActions"}
"""The member that lists what a change to a state causes."""


class Entry(NamedTuple):
    """One entry of an alarm's history; ``at`` in epoch seconds."""

    alarm: str
    at: float
    kind: str
    summary: str
    data: str


AlarmStates = Callable[[Transaction, World, Sequence[str]], Mapping[str, str]]
"""The state (OK, ALARM, INSUFFICIENT_DATA) of those of the named alarms that exist."""


def states(transaction: Transaction, world: World, names: Iterable[str]) -> Mapping[str, str]:
    """OK, ALARM or INSUFFICIENT_DATA of those alarms that there are; ``names`` are names or ARNs, the answer's keys as they were asked."""
    rows = {name: transaction.resources.get(world, KIND, name_of(name)) for name in names}
    return {name: row.state for name, row in rows.items() if row is not None}


def name_of(alarm: str) -> str:
    """An alarm's name from its name or ARN (arn:aws:cloudwatch:<region>:<account>:alarm:<name>)."""
    parts = alarm.split(":", 6)
    return parts[6] if len(parts) == 7 and parts[2] == "cloudwatch" and parts[5] == "alarm" else alarm


def arn_of(world: World, name: str) -> str:
    """An alarm's ARN."""
    return f"arn:aws:cloudwatch:{world.region}:{world.account}:alarm:{name}"


def all_of(transaction: Transaction, world: World) -> list[Resource]:
    """Every alarm, by name."""
    return transaction.resources.query(world, KIND, order="name", descending=False, limit=MOST)


def actions(row: Resource) -> list[str]:
    """The ARNs that the alarm's present state causes; none while actions are disabled."""
    return list(row.spec.get(ACTIONS[row.state], ())) if row.spec.get("ActionsEnabled", True) else []


def note(transaction: Transaction, world: World, entry: Entry) -> None:
    """Adds an entry to an alarm's history, and drops those that are too old."""
    now = round(entry.at * 1000)
    series = transaction.records.open(world, HISTORY, "", entry.alarm, now)
    body = orjson.dumps([entry.kind, entry.summary, entry.data])
    series = transaction.records.append(series, [(now, body)], now)
    old = now - KEPT_DAYS * 86_400_000
    if series.first_at is not None and series.first_at < old:
        transaction.records.trim(series, old)


def history(transaction: Transaction, world: World, names: list[str] | None, start: float, end: float) -> list[Entry]:
    """Entries with start <= at < end, oldest first, of these alarms or of all."""
    found: list[Entry] = []
    after: tuple[int, int, int] | None = None
    first, upto = round(start * 1000), round(end * 1000)
    while page := transaction.records.scan_below(world, HISTORY, "", names=names, start=first, end=upto, after=after):
        found += [Entry(name, record.at / 1000, *orjson.loads(record.body)) for record, name in page]
        last = page[-1][0]
        after = (last.at, last.series, last.sequence)
    return found


def shown(row: Resource) -> Document:
    """An alarm as DescribeAlarms tells it."""
    return {
        "AlarmName": row.key,
        "AlarmArn": row.arn,
        "ActionsEnabled": True,
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        "Dimensions": [],
        **{name: value for name, value in row.spec.items() if name != "Tags"},
        **row.status,
        "StateValue": row.state,
    }
