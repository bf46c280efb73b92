"""The controller loop (docs/architecture.md, sentence 2): intent becomes true whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sagewright.base.clock import SystemClock, VirtualClock
from sagewright.base.world import World
from sagewright.kernel.controller import Later, Plan
from sagewright.kernel.loop import Loop
from sagewright.store.database import Store
from sagewright.store.rows import Resource

WORLD = World("111122223333", "eu-west-1")
KIND = "Lamp"


@dataclass(frozen=True)
class SwitchOn:
    name: str


@dataclass
class Lamps:
    """A controller of lamps: Ordered -> Warming (for ten seconds) -> On. The tests bend its methods."""

    kind: str = KIND
    on: Counter[str] = field(default_factory=Counter)
    looks: Counter[str] = field(default_factory=Counter)
    before_observe: Callable[[Resource], Awaitable[None]] | None = None
    before_perform: Callable[[Resource], Awaitable[None]] | None = None

    async def observe(self, resource: Resource) -> bool:
        self.looks[resource.key] += 1
        if self.before_observe is not None:
            await self.before_observe(resource)
        return self.on[resource.key] > 0

    def plan(self, resource: Resource, observed: bool, now: float) -> Plan[SwitchOn]:
        if resource.state == "Removing":
            return Plan(remove=True)
        if not observed:
            return Plan((SwitchOn(resource.key),), status={"Since": now}, state="Warming", due=now + 10)
        if resource.state == "Warming" and now < resource.status["Since"] + 10:
            return Plan(due=resource.status["Since"] + 10)
        return Plan(state="On")

    async def perform(self, resource: Resource, action: SwitchOn) -> None:
        if self.before_perform is not None:
            await self.before_perform(resource)
        self.on[action.name] += 1


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def store(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Store]:
    opened = await Store.open(f"sqlite:///{tmp_path}/rows.db", clock)
    yield opened
    await opened.close()


@pytest.fixture
def lamps() -> Lamps:
    return Lamps()


@pytest.fixture
async def loop(store: Store, lamps: Lamps) -> AsyncIterator[Loop]:
    started = Loop(store, [lamps])
    await started.start()
    yield started
    await started.close()


async def order(store: Store, key: str = "a", kind: str = KIND) -> Resource:
    now = store.clock.now()
    row = Resource(WORLD, kind, key, state="Ordered", spec={"Secret": "hunter2"}, created=now, modified=now, due=now)
    return await store.write(lambda transaction: transaction.resources.insert(row))


async def state(store: Store, key: str = "a") -> str | None:
    row = await store.read(lambda transaction: transaction.resources.get(WORLD, KIND, key))
    return None if row is None else row.state


async def test_a_row_is_made_true_step_by_step(store: Store, loop: Loop, lamps: Lamps, clock: VirtualClock) -> None:
    row = await order(store)
    await loop.idle()
    assert await state(store) == "Warming"
    clock.advance(10)
    await loop.idle()
    settled = await store.read(lambda transaction: transaction.resources.get(*row.identity))
    assert settled is not None
    assert (settled.state, settled.due, settled.modified) == ("On", None, clock.now())
    assert lamps.on == {"a": 1}
    clock.advance(1000)
    await loop.idle()
    assert lamps.looks["a"] == 2


async def test_every_action_may_run_twice(store: Store, lamps: Lamps, clock: VirtualClock) -> None:
    loop = Loop(store, [lamps], twice=True)
    await loop.start()
    await order(store)
    await loop.idle()
    clock.advance(10)
    await loop.idle()
    await loop.close()
    assert lamps.on == {"a": 2}
    assert await state(store) == "On"


async def test_a_removed_row_is_gone(store: Store, loop: Loop) -> None:
    row = await order(store)
    await loop.idle()
    await store.write(
        lambda transaction: transaction.resources.save(replace(row, version=2, state="Removing", due=store.clock.now()))
    )
    await loop.idle()
    assert await state(store) is None


async def test_rows_of_other_kinds_are_left_alone(store: Store, loop: Loop, lamps: Lamps) -> None:
    await order(store, kind="Chair")
    loop.hint((WORLD, "Chair", "a"))
    await loop.idle()
    assert lamps.looks == {}


async def test_rows_of_before_the_start_are_taken_up(store: Store, lamps: Lamps) -> None:
    """Restart, failover and the happy path are one code path."""
    await order(store)
    loop = Loop(store, [lamps])
    await loop.start()
    await loop.idle()
    await loop.close()
    assert await state(store) == "Warming"


async def test_a_restart_in_the_middle_of_an_action_ends_the_same(store: Store, lamps: Lamps, clock: VirtualClock) -> None:
    begun = asyncio.Event()

    async def hang(_: Resource) -> None:
        begun.set()
        await asyncio.Event().wait()

    lamps.before_perform = hang
    first = Loop(store, [lamps])
    await first.start()
    await order(store)
    await begun.wait()
    await first.close()
    assert await state(store) == "Ordered"

    lamps.before_perform = None
    second = Loop(store, [lamps])
    await second.start()
    await second.idle()
    clock.advance(10)
    await second.idle()
    await second.close()
    assert await state(store) == "On"


async def test_a_loop_that_was_closed_in_the_middle_of_a_turn_can_be_started_again(store: Store, lamps: Lamps) -> None:
    """A reset of the server does so: the row that was being looked at must not seem to be at work for ever."""
    begun = asyncio.Event()

    async def hang(_: Resource) -> None:
        begun.set()
        await asyncio.Event().wait()

    lamps.before_observe = hang
    loop = Loop(store, [lamps])
    await loop.start()
    await order(store)
    await begun.wait()
    await loop.close()
    lamps.before_observe = None
    await loop.start()
    async with asyncio.timeout(10):
        await loop.idle()
    assert await state(store) == "Warming"
    await loop.close()


async def test_later_looks_again_then_and_leaves_the_row_as_it_is(
    store: Store, loop: Loop, lamps: Lamps, clock: VirtualClock
) -> None:
    async def not_yet(_: Resource) -> None:
        raise Later(5, "no instance is free")

    lamps.before_observe = not_yet
    row = await order(store)
    await loop.idle()
    clock.advance(4)
    await loop.idle()
    assert lamps.looks["a"] == 1
    lamps.before_observe = None
    clock.advance(1)
    await loop.idle()
    assert lamps.looks["a"] == 2
    now = await store.read(lambda transaction: transaction.resources.get(*row.identity))
    assert now is not None
    assert now.version == 2


async def test_an_exception_is_logged_with_the_story_and_tried_again_ever_later(
    store: Store, loop: Loop, lamps: Lamps, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: Resource) -> None:
        raise LookupError("the lamp is missing")

    lamps.before_perform = fail
    await order(store)
    await loop.idle()
    record = caplog.records[-1].getMessage()
    assert "Lamp a in 111122223333/eu-west-1 (state 'Ordered', version 1" in record
    assert "performing SwitchOn failed, 1 in a row; next look in 1 s" in record
    assert "the lamp is missing" in caplog.text
    assert "hunter2" not in caplog.text
    pauses = []
    for _ in range(8):
        pauses.append(await _seconds_until_next_look(loop, lamps, clock))
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    lamps.before_perform = None
    clock.advance(60)
    await loop.idle()
    assert await state(store) == "Warming"


async def _seconds_until_next_look(loop: Loop, lamps: Lamps, clock: VirtualClock) -> int:
    before = lamps.looks["a"]
    for seconds in range(1, 100):
        clock.advance(1)
        await loop.idle()
        if lamps.looks["a"] > before:
            return seconds
    raise AssertionError("lost")


async def test_one_failing_row_does_not_hold_up_the_others(store: Store, loop: Loop, lamps: Lamps) -> None:
    async def fail_a(row: Resource) -> None:
        if row.key == "a":
            raise LookupError("on purpose")

    lamps.before_observe = fail_a
    await order(store, "a")
    await order(store, "b")
    await loop.idle()
    assert await state(store, "a") == "Ordered"
    assert await state(store, "b") == "Warming"


async def test_a_change_during_a_turn_means_look_again(store: Store, loop: Loop, lamps: Lamps) -> None:
    """A lost race: what the user wrote meanwhile is not overwritten."""

    async def interfere(row: Resource) -> None:
        lamps.before_perform = None
        changed = replace(row, spec={"Stop": True})
        await store.write(lambda transaction: transaction.resources.save(changed))

    lamps.before_perform = interfere
    row = await order(store)
    await loop.idle()
    now = await store.read(lambda transaction: transaction.resources.get(*row.identity))
    assert now is not None
    assert (now.spec, now.version, lamps.looks["a"]) == ({"Stop": True}, 3, 2)


async def test_a_hint_brings_the_look_forward_even_of_a_settled_row(
    store: Store, loop: Loop, lamps: Lamps, clock: VirtualClock
) -> None:
    row = await order(store)
    await loop.idle()
    loop.hint(row.identity)
    await loop.idle()
    assert lamps.looks["a"] == 2
    clock.advance(10)
    await loop.idle()
    assert await state(store) == "On"
    loop.hint(row.identity)
    await loop.idle()
    assert lamps.looks["a"] == 4


async def test_a_hint_during_a_turn_is_not_lost_and_turns_of_a_row_never_overlap(
    store: Store, loop: Loop, lamps: Lamps
) -> None:
    at_work = 0
    go_on = asyncio.Event()
    begun = asyncio.Event()

    async def watch(_: Resource) -> None:
        nonlocal at_work
        at_work += 1
        assert at_work == 1
        begun.set()
        await go_on.wait()
        at_work -= 1

    lamps.before_observe = watch
    row = await order(store)
    await begun.wait()
    loop.hint(row.identity)
    loop.hint(row.identity)
    await asyncio.sleep(0)
    go_on.set()
    await loop.idle()
    assert lamps.looks["a"] == 2


async def test_turns_at_work_are_bounded(store: Store, lamps: Lamps) -> None:
    at_work = most = 0

    async def count(_: Resource) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1

    lamps.before_observe = count
    loop = Loop(store, [lamps], concurrency=3)
    for number in range(20):
        await order(store, str(number))
    await loop.start()
    await loop.idle()
    await loop.close()
    assert most == 3
    assert sum(lamps.on.values()) == 20


async def test_looking_again_without_news_writes_nothing(store: Store, loop: Loop, lamps: Lamps, clock: VirtualClock) -> None:
    row = await order(store)
    await loop.idle()
    writes = []
    store.listen(writes.append)
    for _ in range(5):
        clock.advance(1)
        loop.hint(row.identity)
        await loop.idle()
    assert lamps.looks["a"] == 6
    assert writes == []


async def test_a_plan_that_stands_still_does_not_spin(
    store: Store, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Confused(Lamps):
        def plan(self, resource: Resource, observed: bool, now: float) -> Plan[SwitchOn]:
            return Plan(due=now)

    lamps = Confused()
    loop = Loop(store, [lamps])
    await loop.start()
    await order(store)
    await loop.idle()
    await loop.close()
    assert lamps.looks["a"] == 1
    assert "changes nothing" in caplog.text


async def test_it_wakes_by_the_clock_without_being_told(tmp_path: Path) -> None:
    """With the machine's own clock nobody calls ``idle``: the earliest due time is waited for."""
    store = await Store.open(f"sqlite:///{tmp_path}/real.db", SystemClock())
    seen = asyncio.Event()

    class Quick(Lamps):
        def plan(self, resource: Resource, observed: bool, now: float) -> Plan[SwitchOn]:
            if resource.state == "Ordered":
                return Plan(state="Warming", due=now + 0.05)
            seen.set()
            return Plan(state="On")

    loop = Loop(store, [Quick()])
    await loop.start()
    await order(store)
    async with asyncio.timeout(10):
        await seen.wait()
    await loop.idle()
    assert await state(store) == "On"
    await loop.close()
    await store.close()
