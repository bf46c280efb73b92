"""Makes tuning jobs true: looks at their trials' training jobs, asks plan.py, and does what it says through the public API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from sagewright.features.tuning import plan as planning
from sagewright.features.tuning import progress, warm_start
from sagewright.features.tuning.ledger import Ledger
from sagewright.features.tuning.search import Sampler, propose
from sagewright.features.tuning.settings import Definition, Settings
from sagewright.features.tuning.sight import Action, Drop, Forget, Inherit, Launch, Settle, Sight, Stop
from sagewright.features.tuning.trial import Child, Trial, training_job_name
from sagewright.features.tuning.trials import Trials
from sagewright.features.tuning.workshop import Workshop
from sagewright.kernel.controller import Plan
from sagewright.store.rows import Resource

KIND = "HyperParameterTuningJob"


class TuningController:
    """See kernel.controller.Controller."""

    kind = KIND

    def __init__(self, trials: Trials, workshop: Workshop, sampler: Sampler) -> None:
        self._trials = trials
        self._workshop = workshop
        self._sampler = sampler

    async def observe(self, resource: Resource) -> Sight:
        """The sampler is asked here: what it answers follows from what is seen."""
        if resource.state in progress.TERMINAL:
            return Sight()
        prior = await self._trials.prior(resource)
        if prior is None:
            return Sight(inherited=False)
        settings = Settings.of(resource)
        trials = await self._trials.of(resource)
        children = await self._children(resource, settings, trials)
        ledger = Ledger.of(trials, children)
        if resource.state == "Stopping" or planning.is_over(resource, settings, ledger, self._workshop.now()):
            return Sight(trials, children, prior_best=prior.best)
        return Sight(
            trials,
            children,
            await self._curves(resource, settings, ledger),
            await self._proposals(resource, settings, ledger, prior),
            prior_best=prior.best,
        )

    def plan(self, resource: Resource, observed: Sight, now: float) -> Plan[Action]:
        """See plan.py."""
        return planning.plan(resource, observed, now)

    async def perform(self, resource: Resource, action: Action) -> None:
        """Does one action."""
        match action:
            case Inherit():
                await self._trials.inherit(resource)
            case Launch(trial):
                await self._trials.write(resource, trial)
                refusal = await self._workshop.make(resource, self._definition(resource, trial), trial)
                if refusal:
                    await self._trials.refuse(resource, trial, refusal)
            case Settle(trial):
                await self._trials.settle(resource, trial)
                self._workshop.leave(resource, trial)
            case Stop(trial):
                await self._workshop.stop(resource, self._definition(resource, trial), trial)
            case Drop(trial):
                await self._trials.drop(resource, trial)
            case Forget():
                self._workshop.forget(resource, self._trials.forget(resource))

    async def _children(self, resource: Resource, settings: Settings, trials: Sequence[Trial]) -> dict[int, Child]:
        active = [trial for trial in trials if not trial.ended and not trial.refusal]
        looks = [self._workshop.look(resource, settings.definition(trial.definition), trial) for trial in active]
        seen = await asyncio.gather(*looks)
        return {trial.number: child for trial, child in zip(active, seen, strict=True) if child is not None}

    async def _curves(self, resource: Resource, settings: Settings, ledger: Ledger) -> Mapping[int, Sequence[float]]:
        if not settings.curves or not ledger.active:
            return {}
        return await self._workshop.curves(resource, settings, ledger.trials)

    async def _proposals(
        self, resource: Resource, settings: Settings, ledger: Ledger, prior: warm_start.Prior
    ) -> tuple[Trial, ...]:
        transfer = bool(prior.observations) and not warm_start.is_identical(resource.spec)
        return await propose(
            f"{resource.arn} {resource.created!r}",
            settings,
            ledger,
            prior.observations,
            transfer,
            self._sampler,
            lambda number: training_job_name(resource, number),
        )

    def _definition(self, resource: Resource, trial: Trial) -> Definition:
        return Settings.of(resource).definition(trial.definition)
