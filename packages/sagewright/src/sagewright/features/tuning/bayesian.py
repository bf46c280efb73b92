"""The sampler's process: where to look next, behind one question and one answer, each a line of JSON.

Few trials are dear, and a Gaussian process makes the most of them (gaussian.py); of many trials optuna's tree-structured Parzen
estimator makes as much, at a cost that hardly grows. It is a process of its own because control should not carry NumPy, SciPy and
optuna, nor wait for them; it ends when its standard input does.

``{"job", "ranges": [{kind, low, high, log, choices}], "told": [[coordinates, loss], …], "pending": [coordinates, …], "seed"}`` is
answered by ``[coordinate, …]``. What was told for a job before is kept and only added to; any other history starts anew.
"""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from contextlib import suppress
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from sagewright.features.tuning import gaussian

FEW = 200
"""Finished trials up to which the Gaussian process is asked: its cost grows with their third power."""
JOBS = 64
"""Histories that are kept; the one asked for longest ago goes first."""
CANDIDATES = 64
"""Points that are drawn for each answer; the best of them is given."""


class History:
    """A study, and the losses it was told."""

    def __init__(self, ranges: list[dict[str, Any]]) -> None:
        self.ranges = ranges
        self.told: list[Any] = []
        self.study = optuna.create_study(direction="minimize")
        self.space = {str(place): _distribution(item) for place, item in enumerate(ranges)}

    def continues(self, question: dict[str, Any]) -> bool:
        """Whether the question only adds to what is known."""
        return bool(question["ranges"] == self.ranges and question["told"][: len(self.told)] == self.told)

    def ask(self, question: dict[str, Any]) -> list[Any]:
        """The next combination's coordinates. Running trials and the question itself leave no trace."""
        for coordinates, loss in question["told"][len(self.told) :]:
            self.study.add_trial(self._trial(coordinates, TrialState.COMPLETE, loss))
        self.told = question["told"]
        before = len(self.study.get_trials(deepcopy=False))
        for coordinates in question["pending"]:
            self.study.add_trial(self._trial(coordinates, TrialState.RUNNING))
        self.study.sampler = _sampler(question["seed"])
        asked = self.study.ask(self.space)
        for number in range(before, asked.number + 1):
            self.study.tell(number, state=TrialState.FAIL)
        return [asked.params[name] for name in self.space]

    def _trial(self, coordinates: list[Any], state: TrialState, loss: float | None = None) -> FrozenTrial:
        whole = [
            int(place) if item["kind"] == "integer" else place for item, place in zip(self.ranges, coordinates, strict=True)
        ]
        params = dict(zip(self.space, whole, strict=True))
        return create_trial(state=state, params=params, distributions=self.space, value=loss)


def _sampler(seed: int) -> TPESampler:
    return TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=1, n_ei_candidates=CANDIDATES)


def _distribution(item: dict[str, Any]) -> BaseDistribution:
    if item["kind"] == "categorical":
        return CategoricalDistribution(item["choices"])
    if item["kind"] == "integer":
        return IntDistribution(int(item["low"]), int(item["high"]), log=item["log"])
    return FloatDistribution(item["low"], item["high"], log=item["log"])


def main() -> None:
    """Answers until there are no more questions."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    histories: OrderedDict[str, History] = OrderedDict()
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(_answer(question, histories)), flush=True)


def _answer(question: dict[str, Any], histories: OrderedDict[str, History]) -> list[Any]:
    if len(question["told"]) <= FEW:
        with suppress(np.linalg.LinAlgError):
            return gaussian.suggest(question)
    history = histories.pop(question["job"], None)
    if history is None or not history.continues(question):
        history = History(question["ranges"])
    histories[question["job"]] = history
    if len(histories) > JOBS:
        histories.popitem(last=False)
    return history.ask(question)


if __name__ == "__main__":
    main()
