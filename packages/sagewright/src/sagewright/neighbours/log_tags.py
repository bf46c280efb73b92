"""Tags of log groups, by ARN; Terraform reads them whenever it reads a group."""

from __future__ import annotations

from sagewright.kernel.operation import Context
from sagewright.neighbours.log_groups import INVALID, found_group, name_in
from sagewright.neighbours.requests import Handlers
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document
from sagewright.wire.errors import Fault

MOST = 50


class LogTags:
    """The operations on tags of log groups."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {"ListTagsForResource": self.list, "TagResource": self.tag, "UntagResource": self.untag}

    async def list(self, context: Context, request: Document) -> Document:
        """ListTagsForResource."""
        return {"tags": await self._store.read(lambda transaction: transaction.tags.get(_arn(transaction, context, request)))}

    async def tag(self, context: Context, request: Document) -> Document:
        """TagResource."""

        def work(transaction: Transaction) -> Document:
            if len(transaction.tags.set(_arn(transaction, context, request), request["tags"])) > MOST:
                raise Fault("TooManyTagsException", f"A resource can have {MOST} tags at most.")
            return {}

        return await self._store.write(work)

    async def untag(self, context: Context, request: Document) -> Document:
        """UntagResource."""

        def work(transaction: Transaction) -> Document:
            transaction.tags.remove(_arn(transaction, context, request), request["tagKeys"])
            return {}

        return await self._store.write(work)


def _arn(transaction: Transaction, context: Context, request: Document) -> str:
    arn: str = request["resourceArn"]
    if not arn.startswith("arn:"):
        raise Fault(INVALID, f"{arn} is not an ARN.")
    return found_group(transaction, context, {"logGroupName": name_in(arn)}).arn
