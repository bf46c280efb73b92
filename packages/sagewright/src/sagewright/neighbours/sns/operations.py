"""The operations of service ``sns``: topics and their subscriptions. FIFO topics, phones, push notifications and e-mail are not there."""

from __future__ import annotations

from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import Handlers
from sagewright.neighbours.sns.publishing import Publishing
from sagewright.neighbours.sns.subscriptions import Subscriptions
from sagewright.neighbours.sns.topics import Topics
from sagewright.signals import topics
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault


class Sns:
    """``anywhere``: HTTP subscribers may be on other machines than this one."""

    def __init__(self, store: Store, *, anywhere: bool = False) -> None:
        self._store = store
        self._anywhere = anywhere

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            **Topics(self._store).operations(),
            **Subscriptions(self._store, anywhere=self._anywhere).operations(),
            **Publishing(self._store).operations(),
            "TagResource": self.tag,
            "UntagResource": self.untag,
            "ListTagsForResource": self.list_tags,
        }

    async def tag(self, context: Context, request: Document) -> Document:
        """TagResource: of a topic."""
        tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        await self._store.write(lambda transaction: transaction.tags.set(_topic(transaction, request), tags))
        return {}

    async def untag(self, context: Context, request: Document) -> Document:
        """UntagResource."""
        await self._store.write(lambda transaction: transaction.tags.remove(_topic(transaction, request), request["TagKeys"]))
        return {}

    async def list_tags(self, context: Context, request: Document) -> Document:
        """ListTagsForResource."""
        tags = await self._store.read(lambda transaction: transaction.tags.get(_topic(transaction, request)))
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _topic(transaction: Transaction, request: Document) -> str:
    try:
        return topics.find(transaction, request["ResourceArn"]).arn
    except topics.NoTopicError:
        raise Fault("ResourceNotFound", "Resource does not exist", 404) from None
