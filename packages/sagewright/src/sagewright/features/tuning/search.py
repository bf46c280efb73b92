"""What to try next. Grid, Random and the first trials of Bayesian follow from the seed alone; the rest asks the sampler.

Nothing is remembered between two questions: the answer follows from the seed, the number of the trial and what the trials at hand
have told, so a restarted control goes on as the one before would have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from sagewright.features.tuning.ledger import Ledger
from sagewright.features.tuning.ranges import Space
from sagewright.features.tuning.settings import Definition, Settings
from sagewright.features.tuning.trial import Trial

STARTUP = 6
"""Trials spread evenly over the space before a model of it is worth anything."""
FRESH_DRAWS = 200
"""How often a combination that was tried already is drawn anew; then it is tried once more."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a parent's trial has found: the combination, the objective, and whose it was."""

    values: Mapping[str, str]
    objective: float
    parent: str
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """For a sampler: finished trials as (coordinates, loss), running ones as coordinates. The answer is one combination's coordinates."""

    space: Space
    told: tuple[tuple[tuple[float | str, ...], float], ...]
    pending: tuple[tuple[float | str, ...], ...]
    seed: int


class Sampler(Protocol):
    """Thinks about where to look next."""

    async def ask(self, job: str, question: Question) -> list[float | str]:
        """Coordinates of a combination. ``job`` names what may be remembered between questions. Raises Later."""

    async def warm(self) -> None:
        """It will be asked soon."""


async def propose(
    job: str,
    settings: Settings,
    ledger: Ledger,
    prior: Sequence[Observation],
    transfer: bool,
    sampler: Sampler,
    name: Callable[[int], str],
) -> tuple[Trial, ...]:
    """As many trials as there is room for. ``name`` is the training job's, by number."""
    found: list[Trial] = []
    number = len(ledger.trials)
    for _ in range(ledger.room(settings)):
        number += 1
        definition = _turn(settings, (*ledger.trials, *found))
        if definition is None:
            break
        values = await _next(job, settings, definition, (*ledger.trials, *found), prior, transfer, sampler)
        found.append(Trial(number, name(number), values, definition.name))
    return tuple(found)


def _turn(settings: Settings, begun: Sequence[Trial]) -> Definition | None:
    """Definitions take turns: the one with the fewest trials that has combinations left."""
    counts = {item.name: sum(trial.definition == item.name for trial in begun) for item in settings.definitions}
    open_ones = [item for item in settings.definitions if counts[item.name] < item.space.size]
    return min(open_ones, key=lambda item: counts[item.name], default=None)


async def _next(
    job: str,
    settings: Settings,
    definition: Definition,
    trials: Sequence[Trial],
    prior: Sequence[Observation],
    transfer: bool,
    sampler: Sampler,
) -> dict[str, str]:
    own = [trial for trial in trials if trial.definition == definition.name]
    place, space = len(own), definition.space
    if settings.strategy == "Grid":
        return space.combination(place)
    random = Random(f"{settings.seed} {definition.name} {place}")
    if settings.strategy != "Bayesian":
        return _fresh(space, own, space.draw(random), random)
    told = _told(definition, trials, prior, transfer)
    if len(told) < 2 or (place < STARTUP and not prior):
        await sampler.warm()
        first = space.at(spread(space, settings.seed, definition.name, place)) if place < STARTUP else space.draw(random)
        return _fresh(space, own, first, random)
    pending = [space.read(trial.values) for trial in own if not trial.ended]
    question = Question(space, told, tuple(tuple(item) for item in pending if item is not None), random.getrandbits(32))
    answer = await sampler.ask(f"{job} {definition.name}", question)
    return _fresh(space, own, space.write(answer), random)


def spread(space: Space, seed: int, name: str, place: int) -> tuple[float, ...]:
    """The ``place``-th of STARTUP points of a Latin hypercube: every sixth of every range is tried once."""
    shares = []
    for item in space.ranges:
        random = Random(f"{seed} {name} {item.name} startup")
        cells = random.sample(range(STARTUP), STARTUP)
        offsets = [random.random() for _ in range(STARTUP)]
        shares.append((cells[place] + offsets[place]) / STARTUP)
    return tuple(shares)


def _fresh(space: Space, own: Sequence[Trial], values: dict[str, str], random: Random) -> dict[str, str]:
    """Another combination by chance where this one was tried already; only finite spaces repeat themselves."""
    if math.isinf(space.size):
        return values
    tried = {tuple(sorted(trial.values.items())) for trial in own}
    for _ in range(FRESH_DRAWS):
        if tuple(sorted(values.items())) not in tried:
            break
        values = space.draw(random)
    return values


def _told(
    definition: Definition, trials: Sequence[Trial], prior: Sequence[Observation], transfer: bool
) -> tuple[tuple[tuple[float | str, ...], float], ...]:
    """Losses, smaller is better. What comes from other data (TransferLearning) is compared within its own job only: each job's

    losses are centred and scaled.
    """
    sign = -1.0 if definition.objective.direction == "Maximize" else 1.0
    groups: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for item in prior:
        if item.definition == definition.name:
            groups.setdefault(item.parent if transfer else "", []).append((item.values, sign * item.objective))
    for trial in trials:
        if trial.definition == definition.name and trial.succeeded and trial.objective is not None:
            groups.setdefault("", []).append((trial.values, sign * trial.objective))
    found = []
    for pairs in groups.values():
        losses = _scaled([loss for _, loss in pairs]) if transfer else [loss for _, loss in pairs]
        for (values, _), loss in zip(pairs, losses, strict=True):
            place = definition.space.read(values)
            if place is not None and math.isfinite(loss):
                found.append((tuple(place), loss))
    return tuple(found)


def _scaled(losses: list[float]) -> list[float]:
    middle = math.fsum(losses) / len(losses)
    width = math.sqrt(math.fsum((loss - middle) ** 2 for loss in losses) / len(losses))
    return [(loss - middle) / width if width else 0.0 for loss in losses]
