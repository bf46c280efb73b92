"""The Gaussian process that chooses where to look next (I01), and the process it lives in."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sagewright.features.tuning import bayesian, gaussian, sampler
from sagewright.features.tuning.ranges import Range, Space
from sagewright.features.tuning.sampler import SamplerProcess
from sagewright.features.tuning.search import Question
from sagewright.kernel.controller import Later

X = {"kind": "continuous", "low": 0.0, "high": 1.0, "log": False, "choices": []}
RATE = {"kind": "continuous", "low": 1e-4, "high": 1.0, "log": True, "choices": []}
DEPTH = {"kind": "integer", "low": 1, "high": 9, "log": False, "choices": []}
KIND = {"kind": "categorical", "low": 0, "high": 0, "log": False, "choices": ["a", "b", "c"]}


def question(ranges: list[dict[str, Any]], told: list[Any], pending: list[Any] | None = None, seed: int = 1) -> dict[str, Any]:
    return {"job": "job", "ranges": ranges, "told": told, "pending": pending or [], "seed": seed}


def test_it_goes_where_the_loss_is_small() -> None:
    told = [[[place / 8], (place / 8 - 0.3) ** 2] for place in range(9)]
    (found,) = gaussian.suggest(question([X], told))
    assert found == pytest.approx(0.3, abs=0.05)


def test_what_runs_is_not_tried_again() -> None:
    told = [[[place / 8], (place / 8 - 0.3) ** 2] for place in range(9)]
    (first,) = gaussian.suggest(question([X], told))
    (second,) = gaussian.suggest(question([X], told, [[first]]))
    assert abs(second - first) > 1e-4


def test_mixed_ranges_are_learnt_together() -> None:
    def loss(rate: float, depth: int, kind: str) -> float:
        return (math.log10(rate) + 2) ** 2 + (depth - 6) ** 2 / 9 + (kind != "b")

    random = np.random.default_rng(0)
    told: list[Any] = []
    for _ in range(30):
        chosen = [float(10 ** random.uniform(-4, 0)), int(random.integers(1, 10)), "abc"[int(random.integers(3))]]
        told.append([chosen, loss(*chosen)])
    for step in range(10):
        chosen = gaussian.suggest(question([RATE, DEPTH, KIND], told, seed=step))
        assert isinstance(chosen[1], int)
        told.append([chosen, loss(*chosen)])
    best, least = min(told, key=lambda pair: pair[1])
    assert (best[1], best[2]) == (6, "b")
    assert least < 0.1


@pytest.mark.parametrize(
    "told",
    [
        [[[0.5], 1.0], [[0.5], 1.0]],
        [[[0.1], 1.0], [[0.9], 1.0], [[0.5], 1.0]],
        [[[0.1], 1.0], [[0.9], 1e30], [[0.5], 0.5]],
        [[[0.1], -1e-300], [[0.9], 0.0]],
    ],
    ids=["one place", "all the same", "an outlier", "next to nothing"],
)
def test_whatever_it_was_told_it_answers(told: list[Any]) -> None:
    (found,) = gaussian.suggest(question([X], told))
    assert 0.0 <= found <= 1.0


def test_the_gradient_of_the_fit_is_right() -> None:
    random = np.random.default_rng(0)
    points, losses = random.random((12, 3)), random.normal(size=12)
    squares = (points[:, None, :] - points[None, :, :]) ** 2
    at = np.log(np.array([0.3, 0.7, 1.5, 1.1, 0.01]))
    _, gradient = gaussian.misfit(at, squares, losses)
    for place in range(len(at)):
        step = np.zeros_like(at)
        step[place] = 1e-5
        ahead, behind = (gaussian.misfit(at + sign * step, squares, losses)[0] for sign in (1, -1))
        assert gradient[place] == pytest.approx((ahead - behind) / 2e-5, rel=1e-4, abs=1e-6)


def test_many_trials_are_the_other_samplers() -> None:
    """A history is added to, a different one starts anew; what runs leaves no trace in it."""
    told = [[[place / 300], abs(place / 300 - 0.3)] for place in range(300)]
    history = bayesian.History([X])
    (first,) = history.ask(question([X], told, [[0.9]]))
    assert abs(first - 0.3) < 0.2
    assert history.continues(question([X], [*told, [[0.3], 0.0]]))
    assert not history.continues(question([X], told[1:]))
    assert history.ask(question([X], told, [[0.9]])) == [first]


class TestProcess:
    """The sampler as control sees it."""

    space = Space((Range("x", "continuous", 0.0, 1.0),))

    def asked(self) -> Question:
        told = tuple(((place / 8,), (place / 8 - 0.3) ** 2) for place in range(9))
        return Question(self.space, told, (), 1)

    async def test_it_answers_and_is_replaced_when_it_dies(self) -> None:
        process = SamplerProcess()
        try:
            await process.warm()
            first = await process.ask("job", self.asked())
            assert process._process is not None
            process._process.kill()
            await process._process.wait()
            assert await process.ask("job", self.asked()) == first
        finally:
            await process.close()

    async def test_one_that_cannot_answer_is_for_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sampler, "MODULE", "this")  # prints something else and ends
        process = SamplerProcess()
        try:
            with pytest.raises(Later):
                await process.ask("job", self.asked())
        finally:
            await process.close()
