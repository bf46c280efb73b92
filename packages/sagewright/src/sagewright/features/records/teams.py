"""Work teams: what the model's answers need beside the derived verbs, and marketplace teams, of which there are none here."""

from __future__ import annotations

from sagewright.kernel.engine import Engine
from sagewright.kernel.operation import Context, Handler
from sagewright.kernel.writing import remove
from sagewright.store.database import Transaction
from sagewright.store.rows import Document
from sagewright.wire.errors import validation


class Teams:
    """Operations on Workteam and SubscribedWorkteam."""

    def __init__(self, engine: Engine) -> None:
        self._catalog, self._store = engine.catalog, engine.store
        self._kind = engine.catalog["Workteam"]

    def handlers(self) -> dict[str, Handler]:
        """By operation name."""
        return {
            "DeleteWorkteam": self.delete,
            "ListSubscribedWorkteams": self.list_subscribed,
            "DescribeSubscribedWorkteam": self.describe_subscribed,
        }

    async def delete(self, context: Context, request: Document) -> Document:
        """The answer says so itself: Success."""

        def work(transaction: Transaction) -> Document:
            remove(transaction, self._catalog, self._catalog.find(transaction, context.world, self._kind, request))
            return {"Success": True}

        return await self._store.write(work)

    async def list_subscribed(self, context: Context, request: Document) -> Document:
        """Nothing can be bought here, so nobody is subscribed to anything."""
        return {"SubscribedWorkteams": []}

    async def describe_subscribed(self, context: Context, request: Document) -> Document:
        """Raises ValidationException, always."""
        raise validation(f"The work team {request['WorkteamArn']} does not exist.")
