"""When a front polls for the next packet of a lone client's calls instead of sleeping."""

from __future__ import annotations

import asyncio
import os

import pytest

from sagewright.front.halt_polling import HaltPolling

SHORT = 0.00005
LONGEST = 0.0002


class Calls:
    """Calls of one client at a time of the test's own."""

    def __init__(self, longest: float = LONGEST) -> None:
        self.now = 100.0
        self.polling = HaltPolling(longest, lambda: self.now)

    def after(self, seconds: float) -> float:
        self.now += seconds
        return self.now

    async def call(self, gap: float = SHORT, answer: float = SHORT) -> None:
        """``gap`` after the last call and answered after ``answer`` seconds; the event loop looks at its sockets once in each wait."""
        await asyncio.sleep(0)
        self.polling.called(self.after(gap))
        self.polling.asked(self.now)
        await asyncio.sleep(0)
        self.polling.answered(self.after(answer))
        self.polling.done(self.now)


@pytest.fixture(autouse=True)
def processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


async def _close(calls: Calls, number: int = 6) -> None:
    for _ in range(number):
        await calls.call()


async def test_the_next_wait_of_calls_that_follow_closely_is_polled() -> None:
    calls = Calls()
    await calls.call()
    assert not calls.polling.polls
    await _close(calls)
    assert calls.polling.polls


async def test_a_poll_ends_when_nothing_comes() -> None:
    calls = Calls()
    await _close(calls)
    calls.after(LONGEST * 2)
    await asyncio.sleep(0)
    assert not calls.polling.polls
    await calls.call()
    await asyncio.sleep(0)
    assert not calls.polling.polls, "the wait before this call was long"


async def test_a_container_that_takes_its_time_is_not_polled() -> None:
    calls = Calls()
    for _ in range(10):
        await calls.call(answer=0.005)
    calls.polling.called(calls.after(SHORT))
    calls.polling.asked(calls.now)
    calls.after(LONGEST * 2)
    await asyncio.sleep(0)
    assert not calls.polling.polls


async def test_calls_side_by_side_are_not_polled() -> None:
    calls = Calls()
    await _close(calls)
    calls.polling.called(calls.now)
    calls.polling.called(calls.now)
    await asyncio.sleep(0)
    assert not calls.polling.polls
    calls.polling.done(calls.now)
    calls.polling.done(calls.now)
    assert calls.polling.under_way == 0


async def test_who_lost_the_processor_polls_no_more_for_a_while() -> None:
    calls = Calls()
    await _close(calls)
    calls.after(0.004)
    await asyncio.sleep(0)
    await _close(calls)
    assert not calls.polling.polls
    calls.after(11.0)
    await _close(calls)
    assert calls.polling.polls


@pytest.mark.parametrize(("longest", "processors"), [(0.0, {0, 1}), (LONGEST, {0})], ids=["turned_off", "one_processor"])
async def test_nothing_is_polled(longest: float, processors: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: processors)
    calls = Calls(longest)
    await _close(calls, 10)
    assert not calls.polling.polls
