"""The operations on recommendation jobs that do not follow from the service model."""

from __future__ import annotations

from dataclasses import dataclass

from sagewright.features.recommendations import benchmark as benchmarks
from sagewright.features.recommendations import results
from sagewright.features.recommendations.plan import TERMINAL
from sagewright.features.recommendations.rules import KIND
from sagewright.jobs.endings import Endings
from sagewright.jobs.progress import CAPITALS
from sagewright.kernel.engine import SERVICE, Engine
from sagewright.kernel.listing import page_limit
from sagewright.kernel.operation import Context, Operations
from sagewright.kernel.paging import window
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

STEPS = "ListInferenceRecommendationsJobSteps"


@dataclass(frozen=True, slots=True)
class RecommendationsOperations:
    """Stop, and the steps."""

    engine: Engine

    def install(self, operations: Operations) -> None:
        """Registers the handlers."""
        operations.write(SERVICE, f"Stop{KIND}", Endings(self.engine, KIND, TERMINAL, CAPITALS.stopping).stop)
        operations.write(SERVICE, STEPS, self.list_steps)

    async def list_steps(self, context: Context, request: Document) -> Document:
        """API ListInferenceRecommendationsJobSteps: a benchmark each, in the order in which they are begun."""
        after = self.engine.tokens.read(context.world, STEPS, request)
        row = await self.engine.store.read(lambda transaction: self._row(transaction, context, request))
        wanted = [benchmark for benchmark in benchmarks.of(row.status) if request.get("Status") in (None, benchmark.state)]
        page, last = window(
            wanted, lambda benchmark: (benchmark.number, benchmark.name), after, descending=False, limit=page_limit(request)
        )
        answer: Document = {"Steps": [results.step(row.key, benchmark) for benchmark in page]}
        if last is not None:
            answer["NextToken"] = self.engine.tokens.make(context.world, STEPS, request, last)
        return answer

    def _row(self, transaction: Transaction, context: Context, request: Document) -> Resource:
        catalog = self.engine.catalog
        return catalog.find(transaction, context.world, catalog[KIND], request)
