"""Lineage groups: every account has exactly one in a region, which AWS makes itself (DG xaccount-lineage-tracking).

The record is made when it is first asked for; sharing a group between accounts is not there.
"""

from __future__ import annotations

from sagewright.base.arn import sagemaker_arn
from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Context, Handler
from sagewright.store.database import Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

KIND = "LineageGroup"
DEFAULT = "sagemaker-default-lineage-group"


class LineageGroups:
    """Operations on LineageGroup."""

    def __init__(self, engine: Engine) -> None:
        self._store = engine.store

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {"ListLineageGroups": self.list, "DescribeLineageGroup": self.describe}

    async def list(self, context: Context, request: Document) -> Document:
        """One page: there is only one group."""
        group = await self._default(context)
        after, before = request.get("CreatedAfter", 0.0), request.get("CreatedBefore", float("inf"))
        return {"LineageGroupSummaries": [_document(group)] if after <= group.created <= before else []}

    async def describe(self, context: Context, request: Document) -> Document:
        """Raises ResourceNotFound."""
        if request["LineageGroupName"] != DEFAULT:
            raise Fault("ResourceNotFound", f"Lineage group {request['LineageGroupName']} does not exist.")
        return _document(await self._default(context))

    async def _default(self, context: Context) -> Resource:
        def work(transaction: Transaction) -> Resource:
            known = transaction.resources.get(context.world, KIND, DEFAULT)
            if known is not None:
                return known
            arn = sagemaker_arn(context.world, f"lineage-group/{DEFAULT}")
            made = Resource(context.world, KIND, DEFAULT, arn, DEFAULT, created=context.now, modified=context.now)
            return transaction.resources.insert(made)

        return await self._store.write(work)


def _document(group: Resource) -> Document:
    return {
        "LineageGroupName": group.key,
        "LineageGroupArn": group.arn,
        "CreationTime": group.created,
        "LastModifiedTime": group.modified,
    }
