"""Lists of what comes out of work that is not there yet: truly empty, because nothing can have made an entry.

A feature that makes entries takes its line out of the table and writes the operation itself.
"""

from __future__ import annotations

from typing import NamedTuple

from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Context, Handler
from sagewright.store.rows import Document


class Empty(NamedTuple):
    """``items`` is the list's member; ``parent`` the kind that must be there, found by the request's members ("" for none)."""

    items: str
    parent: str = ""


LISTS = {
    "ListCandidatesForAutoMLJob": Empty("Candidates", "AutoMLJob"),
    "ListClusterNodes": Empty("ClusterNodeSummaries", "Cluster"),
    "ListModelMetadata": Empty("ModelMetadataSummaries"),
    "ListMonitoringAlertHistory": Empty("MonitoringAlertHistory"),
    "ListMonitoringAlerts": Empty("MonitoringAlertSummaries", "MonitoringSchedule"),
    "ListMonitoringExecutions": Empty("MonitoringExecutionSummaries"),
    "ListPipelineExecutionSteps": Empty("PipelineExecutionSteps"),
    "ListPipelineExecutions": Empty("PipelineExecutionSummaries", "Pipeline"),
    "ListResourceCatalogs": Empty("ResourceCatalogs"),
}


class EmptyLists:
    """The operations of the table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {name: self._handler(empty) for name, empty in LISTS.items()}

    def _handler(self, empty: Empty) -> Handler:
        catalog = self._engine.catalog

        async def answer(context: Context, request: Document) -> Document:
            if empty.parent:
                kind = catalog[empty.parent]
                await self._engine.store.read(lambda transaction: catalog.find(transaction, context.world, kind, request))
            return {empty.items: []}

        return answer
