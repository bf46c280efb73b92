"""Tuning jobs as one part: what the composition root makes of them."""

from __future__ import annotations

from collections.abc import Callable

from sagewright.features.tuning.child import Parentage
from sagewright.features.tuning.controller import KIND, TuningController
from sagewright.features.tuning.defaults import filled
from sagewright.features.tuning.operations import TuningOperations
from sagewright.features.tuning.sampler import SamplerProcess
from sagewright.features.tuning.trials import Trials
from sagewright.features.tuning.workshop import CHILD_KIND, Workshop
from sagewright.kernel.client import Client
from sagewright.kernel.engine import Engine
from sagewright.kernel.feature import Feature
from sagewright.kernel.operation import Operations
from sagewright.store.database import Store
from sagewright.store.rows import Identity


class Tuning(Feature):
    """Controller and written operations of tuning jobs. ``client`` makes their training jobs, ``told`` wakes the loop for a row."""

    def __init__(self, store: Store, client: Client, told: Callable[[Identity], None]) -> None:
        self._parentage = Parentage()
        self._trials = Trials(store)
        self._sampler = SamplerProcess()
        self._workshop = Workshop(store, client, self._parentage, told)
        self.controller: TuningController = TuningController(self._trials, self._workshop, self._sampler)
        # A training job is told whose it is as it is made, so its row never lacks it.
        self.quirks = {CHILD_KIND: {"fills": (self._parentage.fill,)}, KIND: {"fills": (filled,)}}

    def register(self, engine: Engine, operations: Operations) -> None:
        TuningOperations.install(engine, operations)

    async def reset(self) -> None:
        self._trials.reset()
        self._workshop.reset()

    async def close(self) -> None:
        self._workshop.close()
        await self._sampler.close()
