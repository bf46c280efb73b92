"""Tuning jobs as one part: what the composition root makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sagewright.features.tuning.child import Parentage
from sagewright.features.tuning.controller import KIND, TuningController
from sagewright.features.tuning.defaults import filled
from sagewright.features.tuning.operations import TuningOperations
from sagewright.features.tuning.sampler import SamplerProcess
from sagewright.features.tuning.trials import Trials
from sagewright.features.tuning.workshop import CHILD_KIND, Workshop
from sagewright.kernel.client import Client
from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Operations
from sagewright.store.database import Store
from sagewright.store.rows import Identity


class Tuning:
    """Controller and written operations of tuning jobs. ``client`` makes their training jobs, ``told`` wakes the loop for a row."""

    def __init__(self, store: Store, client: Client, told: Callable[[Identity], None]) -> None:
        self._parentage = Parentage()
        self._trials = Trials(store)
        self._sampler = SamplerProcess()
        self._workshop = Workshop(store, client, self._parentage, told)
        self.controller = TuningController(self._trials, self._workshop, self._sampler)

    def quirks(self, others: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
        """Those of ``others`` and ours: a training job is told whose it is as it is made, so its row never lacks it."""
        training = others.get(CHILD_KIND, {})
        fills = (*training.get("fills", ()), self._parentage.fill)
        return {**others, CHILD_KIND: {**training, "fills": fills}, KIND: {"fills": (filled,)}}

    def register(self, engine: Engine, operations: Operations) -> None:
        """Writes the operations that are not derived."""
        TuningOperations.install(engine, operations)

    def reset(self) -> None:
        """Forgets every job, when rows are deleted behind the controller's back (test hooks)."""
        self._trials.reset()
        self._workshop.reset()

    async def close(self) -> None:
        """Ends what runs in this process; the next control goes on."""
        self._workshop.close()
        await self._sampler.close()
