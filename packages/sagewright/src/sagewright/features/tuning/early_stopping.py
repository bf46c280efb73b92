"""Which training jobs need not go on: the median rule, and Hyperband's successive halving. Pure.

A curve is what a training job has printed of its objective so far, one value for each epoch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from sagewright.features.tuning.ledger import Ledger
from sagewright.features.tuning.settings import Resources, Settings
from sagewright.features.tuning.trial import Trial

PEERS = 3
"""Ended training jobs that must have come as far before the median rule says anything; AWS names no number."""
FIRST_EPOCH = 2
"""With one value each the running average is the value itself, and half of all would have to go."""
ETA = 3
"""Of those that reach a rung of Hyperband one in so many goes on."""

Curves = Mapping[int, Sequence[float]]


def hopeless(settings: Settings, ledger: Ledger, curves: Curves) -> tuple[Trial, ...]:
    """The trials whose training jobs are to be stopped now. ``curves`` by the number of the trial."""
    if settings.resources is not None:
        return tuple(trial for trial in ledger.active if _halved(settings, settings.resources, trial, ledger, curves))
    if settings.early:
        return tuple(trial for trial in ledger.active if _below_median(settings, trial, ledger, curves))
    return ()


def _below_median(settings: Settings, trial: Trial, ledger: Ledger, curves: Curves) -> bool:
    """DG automatic-model-tuning-early-stopping: worse than the median of the running averages of previous jobs up to the same epoch."""
    curve = curves.get(trial.number, ())
    epoch = len(curve)
    if epoch < FIRST_EPOCH:
        return False
    peers = [curves.get(other.number, ()) for other in ledger.ended if other.definition == trial.definition and other.succeeded]
    averages = [statistics.fmean(peer[:epoch]) for peer in peers if len(peer) >= epoch]
    if len(averages) < PEERS:
        return False
    return settings.definition(trial.definition).objective.better(statistics.median(averages), curve[-1])


def _halved(settings: Settings, resources: Resources, trial: Trial, ledger: Ledger, curves: Curves) -> bool:
    """Whether it has used up what it may, or is not among the best of those that have come to its last rung.

    A rung is judged as trials arrive (asynchronous successive halving), so that no place stands empty while others catch up.
    """
    curve = curves.get(trial.number, ())
    if len(curve) >= resources.most:
        return True
    reached = [rung for rung in rungs(resources, trial.number) if rung <= len(curve)]
    if not reached:
        return False
    rung, objective = reached[-1], settings.definition(trial.definition).objective
    there = [
        objective.best(list(curves[other.number][:rung]))
        for other in ledger.trials
        if other.definition == trial.definition and len(curves.get(other.number, ())) >= rung
    ]
    own = objective.best(list(curve[:rung]))
    ahead = sum(objective.better(value, own) for value in there)
    return ahead >= math.ceil(len(there) / ETA)


def rungs(resources: Resources, number: int) -> tuple[int, ...]:
    """After how many epochs a trial is judged. Brackets take turns: each begins to judge one rung later than the one before."""
    levels = []
    level = resources.least
    while level < resources.most:
        levels.append(level)
        level *= ETA
    bracket = (number - 1) % (len(levels) + 1)
    return tuple(levels[bracket:])
