"""Recommendation jobs as one part: what the composition root makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sagewright.features.recommendations.controller import RecommendationsController
from sagewright.features.recommendations.loader import Loader
from sagewright.features.recommendations.operations import RecommendationsOperations
from sagewright.features.recommendations.rules import QUIRKS, RULES
from sagewright.features.recommendations.workshop import Workshop
from sagewright.kernel.client import Client
from sagewright.kernel.engine import Engine
from sagewright.kernel.errands import Errands
from sagewright.kernel.kind import Rule
from sagewright.kernel.operation import Operations
from sagewright.objects.transfer import TransferError
from sagewright.store.database import Store
from sagewright.store.rows import Identity


class Recommendations:
    """Controller, rules and written operations. ``client`` makes the endpoints, ``told`` wakes the loop for a row.

    ``seconds``: of load for each configuration of a default job.
    """

    rules: Mapping[str, tuple[Rule, ...]] = RULES
    quirks: Mapping[str, Mapping[str, Any]] = QUIRKS

    def __init__(self, store: Store, client: Client, loader: Loader, seconds: float, told: Callable[[Identity], None]) -> None:
        errands = Errands(told, (TransferError,))
        self._loader = loader
        self.controller = RecommendationsController(Workshop(store, client), loader, errands, seconds)

    def register(self, engine: Engine, operations: Operations) -> None:
        """Writes the operations that are not derived."""
        RecommendationsOperations(engine).install(operations)

    async def open(self) -> None:
        """Before the loop starts."""
        await self._loader.open()

    async def reset(self) -> None:
        """Forgets every job, when rows are deleted behind the controller's back (test hooks)."""
        await self.controller.reset()

    async def close(self) -> None:
        """Ends what runs in this process; the next control does it again."""
        await self.controller.close()
