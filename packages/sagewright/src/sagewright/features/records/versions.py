"""What versioned records share: the next number, and aliases that are unique below one parent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sagewright.store.database import Transaction
from sagewright.store.rows import Resource
from sagewright.wire.errors import Fault

COUNTER = "LastVersion"
"""A member of the parent's status that no answer shows; numbers are never used twice, even after a deletion."""


def next_version(transaction: Transaction, parent: Resource) -> int:
    """Counts on in the parent's row. Call it once per transaction and parent."""
    number = int(parent.status.get(COUNTER, 0)) + 1
    transaction.resources.save(replace(parent, status={**parent.status, COUNTER: number}))
    return number


def children(transaction: Transaction, parent: Resource, kind: str) -> list[Resource]:
    """All rows of a kind below a parent, newest first."""
    found: list[Resource] = []
    after: tuple[float, str] | None = None
    while True:
        rows = transaction.resources.query(parent.world, kind, parent=parent.key, after=after, limit=500)
        found.extend(rows)
        if len(rows) < 500:
            return sorted(found, key=lambda row: row.created, reverse=True)
        after = (rows[-1].created, rows[-1].key)


def with_alias(rows: Iterable[Resource], member: str, alias: str) -> Resource | None:
    """The version that has an alias, or None."""
    return next((row for row in rows if alias in row.spec.get(member, ())), None)


def refuse_taken(rows: Iterable[Resource], member: str, aliases: Iterable[str], but: str, code: str) -> None:
    """Raises Fault when another version than the one with the key ``but`` has one of the aliases."""
    wanted = set(aliases)
    for row in rows:
        taken = wanted & set(row.spec.get(member, ())) if row.key != but else set()
        if taken:
            raise Fault(code, f"The alias {min(taken)} is already used by another version.")
