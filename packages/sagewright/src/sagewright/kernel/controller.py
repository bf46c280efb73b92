"""What a controller is: it looks, decides without side effects, and acts idempotently, again and again.

The loop (kernel/loop.py) takes due rows, calls ``observe`` (I/O, read only), ``plan`` (pure), performs the actions in order, and
saves status, state and due with the version it read. A lost race means: look again. Every action may run twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sagewright.store.rows import Resource

Observed = TypeVar("Observed")
Action = TypeVar("Action")


@dataclass(frozen=True, slots=True)
class Plan(Generic[Action]):
    """What to do now and what to write down afterwards.

    ``actions`` are plain frozen values that ``perform`` understands. ``status`` replaces the row's status document when given and
    ``state`` its state. ``due`` is when to look again (epoch seconds); None settles the row. ``remove`` deletes the row.
    """

    actions: tuple[Action, ...] = ()
    status: Mapping[str, Any] | None = None
    state: str | None = None
    due: float | None = None
    remove: bool = False


class Later(Exception):
    """Nothing is wrong, but it cannot be done now; look again after ``seconds``. The row is left as it is."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds
        self.why = why


class Controller(Protocol[Observed, Action]):
    """Makes the rows of one kind true."""

    kind: str

    async def observe(self, resource: Resource) -> Observed:
        """Looks at the world; read only. May raise Later."""

    def plan(self, resource: Resource, observed: Observed, now: float) -> Plan[Action]:
        """Pure: no clock, no random, no I/O. Must have an answer for everything observe can see."""

    async def perform(self, resource: Resource, action: Action) -> None:
        """Does one action; doing it twice is the same as once. May raise Later."""
