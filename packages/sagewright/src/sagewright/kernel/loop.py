"""The controller loop: it looks at every row that is due, lets its controller decide, acts, and writes down what came of it.

The rows' ``due`` times say what is unsettled and survive a restart; while the loop runs, its agenda (in memory) says when to look. A
controller that only wants to look again later therefore costs no write: the row stays due, so a restarted loop looks at once.
Nothing here depends on having heard of a change: a hint or a commit only brings the look forward.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sagewright.kernel.agenda import Agenda
from sagewright.kernel.controller import Controller, Later, Plan
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Identity, Resource, Stale

_log = logging.getLogger(__name__)

Announce = Callable[[Transaction, Resource, Resource], None]
"""Told, inside the transaction that writes it, what a row was and what it becomes: quick, writes through the transaction only."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds until the next look after an unexpected exception: they double from the first to the longest."""

_STANDSTILL = 1.0
"""Seconds until the next look when a plan neither does nor changes anything and yet wants to be looked at now."""


@dataclass(slots=True)
class _Turn:
    """One row being looked at; ``changed`` and ``hinted`` note what happened to it meanwhile."""

    changed: bool = False
    hinted: bool = False
    step: str = "reading"


class Loop:
    """Runs on the store's event loop between ``start`` and ``close``; never two turns at once for one row.

    ``concurrency`` bounds the turns at work. ``twice`` performs every action a second time: a test's way to show that it may.
    """

    def __init__(
        self,
        store: Store,
        controllers: Iterable[Controller[Any, Any]],
        *,
        concurrency: int = 64,
        twice: bool = False,
        announce: Announce | None = None,
    ) -> None:
        self._store = store
        self._controllers = {controller.kind: controller for controller in controllers}
        self._concurrency = concurrency
        self._times = 2 if twice else 1
        self._announce = announce
        self._agenda = Agenda()
        self._turns: dict[Identity, _Turn] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed: set[Identity] = set()
        self._failures: dict[Identity, int] = {}
        self._wake = asyncio.Event()
        self._rest = asyncio.Condition()
        self._runner: asyncio.Task[None] | None = None
        self._unlisten: Callable[[], None] | None = None

    async def start(self) -> None:
        """Puts every unsettled row on the agenda and begins."""
        self._unlisten = self._store.listen(self._on_change)
        rows = await self._store.read(lambda transaction: transaction.resources.unsettled(self._controllers))
        for identity, due in rows:
            self._agenda.set(identity, due)
        self._runner = asyncio.create_task(self._run(), name="controller-loop")

    async def close(self) -> None:
        """Stops in the middle of whatever is being done: the next start continues from what it sees."""
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        tasks = [*self._tasks, *([self._runner] if self._runner else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._turns.clear()  # of those that were cut short; while one seems to be at work its row is not looked at
        self._runner = None

    def hint(self, identity: Identity) -> None:
        """Something may have happened to this row: look now, even when it is not due."""
        if identity[1] not in self._controllers:
            return
        if identity in self._turns:
            self._turns[identity].hinted = True
        else:
            self._agenda.set(identity, self._store.clock.now())
        self._wake.set()

    async def idle(self) -> None:
        """Waits until no row is due by the clock and no turn is at work: what a test awaits after it has moved a virtual clock."""
        self._wake.set()
        async with self._rest:
            await self._rest.wait_for(self._is_idle)

    def _is_idle(self) -> bool:
        at = self._agenda.next()
        return (
            not self._turns and not self._changed and not self._wake.is_set() and (at is None or at > self._store.clock.now())
        )

    def _on_change(self, identity: Identity) -> None:
        if identity[1] in self._controllers:
            self._changed.add(identity)
            self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._follow_changes()
                self._begin_turns()
            except Exception:  # noqa: BLE001 - the loop must outlive whatever the store is going through
                _log.exception("the controller loop cannot read the store; it tries again in %g s", FIRST_PAUSE)
                await asyncio.sleep(FIRST_PAUSE)
                continue
            async with self._rest:
                self._rest.notify_all()
            await self._pause()

    async def _follow_changes(self) -> None:
        """Puts rows that were written onto the agenda at the due time they have now."""
        while self._changed:
            identity = self._changed.pop()
            if identity in self._turns:
                self._turns[identity].changed = True
            else:
                await self._schedule(identity)

    async def _schedule(self, identity: Identity) -> None:
        """Only ever brings a look forward: one too many does no harm."""
        try:
            row = await self._read(identity)
        except Exception:
            self._changed.add(identity)
            raise
        if row is not None and row.due is not None:
            self._agenda.bring_forward(identity, row.due)

    def _begin_turns(self) -> None:
        now = self._store.clock.now()
        while len(self._turns) < self._concurrency:
            identity = self._agenda.take(now)
            if identity is None:
                return
            if identity in self._turns:
                self._turns[identity].hinted = True
                continue
            turn = self._turns[identity] = _Turn()
            task = asyncio.create_task(self._take_turn(identity, turn))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pause(self) -> None:
        """Until something happens or the next row's time has come; when all turns are taken, until one is over."""
        at = self._agenda.next()
        full = len(self._turns) >= self._concurrency
        seconds = None if at is None or full else max(0.0, at - self._store.clock.now())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _take_turn(self, identity: Identity, turn: _Turn) -> None:
        at: float | None = None
        row: Resource | None = None
        try:
            row = await self._read(identity)
            at = None if row is None else await self._look(row, turn)
            self._failures.pop(identity, None)
        except Later as later:
            _log.debug("%s %s: later: %s", identity[1], identity[2], later.why)
            self._failures.pop(identity, None)
            at = self._store.clock.now() + later.seconds
        except Stale:
            at = self._store.clock.now()
        except Exception:  # noqa: BLE001 - a bug of a controller's must not end the others; it is logged and tried again
            at = self._store.clock.now() + self._pause_after_failure(identity, row, turn)
        self._end_turn(identity, turn, at)

    async def _look(self, row: Resource, turn: _Turn) -> float | None:
        """One look at a row; returns when to look again."""
        controller = self._controllers[row.kind]
        turn.step = "observing"
        observed = await controller.observe(row)
        turn.step = "planning"
        plan = controller.plan(row, observed, self._store.clock.now())
        for action in plan.actions:
            turn.step = f"performing {type(action).__name__}"
            for _ in range(self._times):
                await controller.perform(row, action)
        turn.step = "saving"
        saved = await self._save(row, plan)
        if plan.remove or plan.due is None:
            return None
        now = self._store.clock.now()
        if plan.due <= now and not saved and not plan.actions:
            _log.warning("%s wants to be looked at now, but its plan changes nothing", _story(row))
            return now + _STANDSTILL
        return plan.due

    async def _save(self, row: Resource, plan: Plan[Any]) -> bool:
        """Writes what the plan changed; False when that was nothing, or only a later look."""
        if plan.remove:
            await self._store.write(lambda transaction: transaction.resources.delete(row))
            return True
        planned = replace(
            row,
            status=row.status if plan.status is None else plan.status,
            state=row.state if plan.state is None else plan.state,
            due=plan.due,
        )
        observed = planned.status != row.status or planned.state != row.state
        if not observed and not _sooner(planned.due, row.due):
            return False
        changed = replace(planned, modified=self._store.clock.now()) if observed else planned
        await self._store.write(lambda transaction: self._write(transaction, row, changed))
        return True

    def _write(self, transaction: Transaction, before: Resource, after: Resource) -> None:
        transaction.resources.save(after)
        if self._announce is not None:
            self._announce(transaction, before, after)

    def _end_turn(self, identity: Identity, turn: _Turn, at: float | None) -> None:
        del self._turns[identity]
        if turn.hinted:
            at = self._store.clock.now()
        if at is not None:
            self._agenda.set(identity, at)
        if turn.changed:
            self._changed.add(identity)
        self._wake.set()

    def _pause_after_failure(self, identity: Identity, row: Resource | None, turn: _Turn) -> float:
        failures = self._failures[identity] = self._failures.get(identity, 0) + 1
        seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
        story = _story(row) if row is not None else f"{identity[1]} {identity[2]}"
        _log.exception("%s: %s failed, %d in a row; next look in %g s", story, turn.step, failures, seconds)
        return seconds

    async def _read(self, identity: Identity) -> Resource | None:
        return await self._store.read(lambda transaction: transaction.resources.get(*identity))


def _sooner(planned: float | None, known: float | None) -> bool:
    """The time to look must be written down: it settles or unsettles the row, or a restart would look too late."""
    if planned is None or known is None:
        return planned is not known
    return planned < known


def _story(row: Resource) -> str:
    """What a log line says of a row; never its spec, which may hold secrets."""
    place = f"{row.world.account}/{row.world.region}"
    return f"{row.kind} {row.key} in {place} (state {row.state!r}, version {row.version}, created {row.created:.3f})"
