"""Long work beside the loop (kernel/errands.py): begun once, told at its end, repeatable, ended on request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sagewright.base.world import World
from sagewright.kernel.errands import ATTEMPTS, BUG, Errand, ErrandFailed, Errands
from sagewright.store.rows import Identity

ROW: Identity = (World("123456789012", "us-east-1"), "Endpoint", "e")
OTHER: Identity = (World("123456789012", "us-east-1"), "Endpoint", "f")


class Refusal(Exception):
    """What another layer says to the user."""


class Heard:
    """Rows in the order they were told of; ``once`` waits for the next."""

    def __init__(self) -> None:
        self.rows: list[Identity] = []
        self._news = asyncio.Event()

    def __call__(self, identity: Identity) -> None:
        self.rows.append(identity)
        self._news.set()

    async def once(self) -> None:
        await asyncio.wait_for(self._news.wait(), 10)
        self._news.clear()


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def errands(heard: Heard) -> AsyncIterator[Errands]:
    made = Errands(heard, (Refusal,))
    yield made
    await made.close()


async def test_an_errand_is_begun_once_and_tells_its_end(errands: Errands, heard: Heard) -> None:
    runs: list[int] = []
    gate = asyncio.Event()

    async def work() -> None:
        runs.append(1)
        await gate.wait()

    assert errands.look(ROW, "k") == Errand("absent")
    for _ in range(2):
        errands.begin(ROW, "k", work)
    assert errands.look(ROW, "k") == Errand("running")
    gate.set()
    await heard.once()
    errands.begin(ROW, "k", work)
    assert (errands.look(ROW, "k"), runs, heard.rows) == (Errand("done"), [1], [ROW])


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        pytest.param(ErrandFailed("no model"), Errand("failed", "no model"), id="for the user"),
        pytest.param(Refusal("no bucket"), Errand("failed", "no bucket"), id="a refusal of another layer"),
        pytest.param(
            ConnectionError("10.0.0.1"), Errand("failed", "The object store cannot be reached.", retry=True), id="S3 is away"
        ),
        pytest.param(RuntimeError("bug"), Errand("failed", BUG, retry=True), id="a bug"),
    ],
)
async def test_how_it_failed_is_kept_until_it_is_forgotten(
    errands: Errands, heard: Heard, problem: Exception, expected: Errand
) -> None:
    async def work() -> None:
        raise problem

    errands.begin(ROW, "k", work)
    await heard.once()
    assert errands.look(ROW, "k") == expected
    errands.forget(ROW, "k")
    assert errands.look(ROW, "k") == Errand("absent")


async def test_a_bug_is_not_tried_for_ever(errands: Errands, heard: Heard) -> None:
    async def work() -> None:
        raise RuntimeError("bug")

    seen = []
    for _ in range(ATTEMPTS):
        errands.renew(ROW, "k", work)
        await heard.once()
        seen.append(errands.look(ROW, "k").retry)
    assert seen == [True] * (ATTEMPTS - 1) + [False]


async def test_cancelling_ends_what_runs_and_nothing_else(errands: Errands, heard: Heard) -> None:
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    for identity, name in ((ROW, "a"), (ROW, "b"), (OTHER, "a")):
        errands.begin(identity, name, lambda label=f"{identity[2]}{name}": work(label))
    await asyncio.sleep(0)
    await errands.cancel(ROW, "a")
    assert ended == ["ea"]
    await errands.cancel(ROW)
    assert ended == ["ea", "eb"]
    assert (errands.look(ROW, "a").state, errands.look(OTHER, "a").state) == ("absent", "running")
    assert heard.rows == []


async def test_repeating_tells_nobody(errands: Errands, heard: Heard) -> None:
    runs: list[int] = []

    async def work() -> None:
        runs.append(1)

    for _ in range(2):
        errands.repeat(ROW, "watch", work)
        await errands.finish(ROW, "watch")
    assert (runs, heard.rows, errands.look(ROW, "watch")) == ([1, 1], [], Errand("absent"))
