"""Recommendation jobs as one part: what the composition root makes of them."""

from __future__ import annotations

from collections.abc import Callable

from sagewright.features.recommendations.controller import RecommendationsController
from sagewright.features.recommendations.loader import Loader
from sagewright.features.recommendations.operations import RecommendationsOperations
from sagewright.features.recommendations.rules import QUIRKS, RULES
from sagewright.features.recommendations.workshop import Workshop
from sagewright.kernel.client import Client
from sagewright.kernel.engine import Engine
from sagewright.kernel.errands import Errands
from sagewright.kernel.feature import Feature
from sagewright.kernel.operation import Operations
from sagewright.objects.transfer import TransferError
from sagewright.store.database import Store
from sagewright.store.rows import Identity


class Recommendations(Feature):
    """Controller, rules and written operations. ``client`` makes the endpoints, ``told`` wakes the loop for a row.

    ``seconds``: of load for each configuration of a default job.
    """

    rules = RULES
    quirks = QUIRKS

    def __init__(self, store: Store, client: Client, loader: Loader, seconds: float, told: Callable[[Identity], None]) -> None:
        errands = Errands(told, (TransferError,))
        self._loader = loader
        self.controller: RecommendationsController = RecommendationsController(
            Workshop(store, client), loader, errands, seconds
        )

    def register(self, engine: Engine, operations: Operations) -> None:
        RecommendationsOperations(engine).install(operations)

    async def open(self) -> None:
        await self._loader.open()

    async def reset(self) -> None:
        await self.controller.reset()

    async def close(self) -> None:
        await self.controller.close()
