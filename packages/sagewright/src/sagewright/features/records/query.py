"""QueryLineage: walks associations from a start, or lists entities when there is no start."""

from __future__ import annotations

from collections import defaultdict

from sagewright.features.records.lineage import entity_type, every_row
from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.paging import window
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource

MAX_DEPTH = 10
"""The model's maximum, and what is taken when the request names none."""

PAGE = 50
_LINEAGE_TYPES = ("TrialComponent", "Artifact", "Context", "Action")


class LineageQuery:
    """The operation QueryLineage. The whole graph of associations is read: it is as large as the user's work with it."""

    def __init__(self, engine: Engine) -> None:
        self._store, self._tokens = engine.store, engine.tokens

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {"QueryLineage": self}

    async def __call__(self, context: Context, request: Document) -> Document:
        """Vertices that match the filters, nearest first; with IncludeEdges the whole path to them."""
        after = self._tokens.read(context.world, "QueryLineage", request)
        found, edges = await self._store.read(lambda transaction: _walked(transaction, context, request))
        page, last = window(found, lambda item: (item[0], item[1].arn), after, False, int(request.get("MaxResults") or PAGE))
        answer: Document = {
            "Vertices": [{"Arn": row.arn, "Type": entity_type(row), "LineageType": row.kind} for _, row in page],
            "Edges": edges if request.get("IncludeEdges") else [],
        }
        if last is not None:
            answer["NextToken"] = self._tokens.make(context.world, "QueryLineage", request, last)
        return answer


def _walked(transaction: Transaction, context: Context, request: Document) -> tuple[list[tuple[int, Resource]], list[Document]]:
    starts = request.get("StartArns") or []
    if not starts:
        rows = [row for kind in _LINEAGE_TYPES for row in every_row(transaction, context, kind)]
        return [(0, row) for row in rows if _accepted(row, request.get("Filters", {}))], []
    depths, edges = _reached(_Graph(transaction, context), starts, request)
    found = [(depth, row) for arn, depth in depths.items() if depth and (row := transaction.resources.by_arn(arn))]
    wanted = [item for item in found if request.get("IncludeEdges") or _accepted(item[1], request.get("Filters", {}))]
    return [item for item in wanted if item[1].kind in _LINEAGE_TYPES], edges


class _Graph:
    """Associations by either end."""

    def __init__(self, transaction: Transaction, context: Context) -> None:
        self.down: dict[str, list[Document]] = defaultdict(list)
        self.up: dict[str, list[Document]] = defaultdict(list)
        for row in every_row(transaction, context, "Association"):
            edge = {
                member: row.spec[member] for member in ("SourceArn", "DestinationArn", "AssociationType") if member in row.spec
            }
            self.down[edge["SourceArn"]].append(edge)
            self.up[edge["DestinationArn"]].append(edge)


def _reached(graph: _Graph, starts: list[str], request: Document) -> tuple[dict[str, int], list[Document]]:
    """How far each entity is from the starts, and the edges on the way, breadth first."""
    direction, deepest = request.get("Direction", "Both"), int(request.get("MaxDepth") or MAX_DEPTH)
    depths = dict.fromkeys(starts, 0)
    edges: dict[tuple[str, str], Document] = {}
    queue = list(starts)
    for arn in queue:
        if depths[arn] >= deepest:
            continue
        below = graph.down[arn] if direction in ("Both", "Descendants") else []
        above = graph.up[arn] if direction in ("Both", "Ascendants") else []
        for edge, other in [*((e, e["DestinationArn"]) for e in below), *((e, e["SourceArn"]) for e in above)]:
            edges.setdefault((edge["SourceArn"], edge["DestinationArn"]), edge)
            if other not in depths:
                depths[other] = depths[arn] + 1
                queue.append(other)
    return depths, list(edges.values())


def _accepted(row: Resource, filters: Document) -> bool:
    properties = row.spec.get("Properties", {})
    return (
        entity_type(row) in filters.get("Types", [entity_type(row)])
        and row.kind in filters.get("LineageTypes", [row.kind])
        and filters.get("CreatedAfter", row.created) <= row.created
        and row.created <= filters.get("CreatedBefore", row.created)
        and filters.get("ModifiedAfter", row.modified) <= row.modified
        and row.modified <= filters.get("ModifiedBefore", row.modified)
        and all(properties.get(name) == value for name, value in filters.get("Properties", {}).items())
    )
