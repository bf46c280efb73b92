"""The operations of service ``sqs``: standard queues. FIFO queues, keys of one's own, permissions and move tasks are not there."""

from __future__ import annotations

import json
from typing import Any

from sagewright.base.world import World
from sagewright.kernel.operation import Context
from sagewright.neighbours.requests import Handlers, make_marker, read_marker
from sagewright.neighbours.sqs import rows
from sagewright.neighbours.sqs.messages import Messages
from sagewright.signals import queues
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import Fault

_PAGE = 1000


class Sqs:
    """Queues are rows, their messages rows below them (signals/queues.py). ``url`` is where clients reach this server."""

    def __init__(self, store: Store, url: str) -> None:
        self._store = store
        self._url = url

    def operations(self) -> Handlers:
        """Handlers by operation."""
        return {
            "CreateQueue": self.create,
            "DeleteQueue": self.delete,
            "GetQueueUrl": self.get_url,
            "ListQueues": self.list,
            "ListDeadLetterSourceQueues": self.list_sources,
            "GetQueueAttributes": self.get_attributes,
            "SetQueueAttributes": self.set_attributes,
            "PurgeQueue": self.purge,
            "TagQueue": self.tag,
            "UntagQueue": self.untag,
            "ListQueueTags": self.list_tags,
            **Messages(self._store).operations(),
        }

    async def create(self, context: Context, request: Document) -> Document:
        """CreateQueue: the same queue again is no error, another one of this name is."""
        name, given = request["QueueName"], rows.check_attributes(request.get("Attributes", {}))
        rows.check_name(name)

        def work(transaction: Transaction) -> Document:
            known = transaction.resources.get(context.world, queues.QUEUE, name)
            if known is None:
                row = transaction.resources.insert(_new(context, name, given))
                transaction.tags.set(row.arn, request.get("tags", {}))
            elif any(_shown(known, member) != value for member, value in given.items()):
                raise Fault(
                    "QueueNameExists",
                    "A queue already exists with the same name and a different value for one of its attributes.",
                )
            return {"QueueUrl": self._address(context.world, name)}

        return await self._store.write(work)

    async def delete(self, context: Context, request: Document) -> Document:
        """DeleteQueue, and what is in it."""

        def work(transaction: Transaction) -> Document:
            queue = rows.of_url(transaction, context, request["QueueUrl"])
            queues.clear(transaction, queue)
            transaction.resources.delete(queue)
            return {}

        return await self._store.write(work)

    async def get_url(self, context: Context, request: Document) -> Document:
        """GetQueueUrl, of another account's queue too: there are no permissions."""
        world = World(request.get("QueueOwnerAWSAccountId", context.world.account), context.world.region)
        name = request["QueueName"]
        if await self._store.read(lambda transaction: transaction.resources.get(world, queues.QUEUE, name)) is None:
            raise rows.missing()
        return {"QueueUrl": self._address(world, name)}

    async def list(self, context: Context, request: Document) -> Document:
        """ListQueues, by name; in pages if MaxResults is given."""
        prefix = request.get("QueueNamePrefix", "")
        found = await self._store.read(lambda transaction: _queues(transaction, context.world))
        names = [queue.key for queue in found if queue.key.startswith(prefix)]
        page, more = _page(names, request)
        urls = [self._address(context.world, name) for name in page]
        return {"QueueUrls": urls, **more} if urls else more

    async def list_sources(self, context: Context, request: Document) -> Document:
        """ListDeadLetterSourceQueues."""

        def work(transaction: Transaction) -> list[str]:
            wanted = rows.of_url(transaction, context, request["QueueUrl"]).arn
            return [queue.key for queue in _queues(transaction, context.world) if _dead_letters(queue) == wanted]

        page, more = _page(await self._store.read(work), request)
        return {"queueUrls": [self._address(context.world, name) for name in page], **more}

    async def get_attributes(self, context: Context, request: Document) -> Document:
        """GetQueueAttributes."""
        names = request.get("AttributeNames", [])

        def work(transaction: Transaction) -> Document:
            return rows.shown(transaction, rows.of_url(transaction, context, request["QueueUrl"]), context.now)

        found = await self._store.read(work)
        shown = {name: value for name, value in found.items() if "All" in names or name in names}
        return {"Attributes": shown} if shown else {}

    async def set_attributes(self, context: Context, request: Document) -> Document:
        """SetQueueAttributes: those that are given."""
        given = rows.check_attributes(request["Attributes"])

        def work(transaction: Transaction) -> Document:
            queue = rows.of_url(transaction, context, request["QueueUrl"])
            transaction.resources.save(rows.changed(queue, given, context.now))
            return {}

        return await self._store.write(work)

    async def purge(self, context: Context, request: Document) -> Document:
        """PurgeQueue: everything that was sent before."""

        def work(transaction: Transaction) -> Document:
            queues.clear(transaction, rows.of_url(transaction, context, request["QueueUrl"]))
            return {}

        return await self._store.write(work)

    async def tag(self, context: Context, request: Document) -> Document:
        """TagQueue."""

        def work(transaction: Transaction) -> Document:
            transaction.tags.set(rows.of_url(transaction, context, request["QueueUrl"]).arn, request["Tags"])
            return {}

        return await self._store.write(work)

    async def untag(self, context: Context, request: Document) -> Document:
        """UntagQueue."""

        def work(transaction: Transaction) -> Document:
            transaction.tags.remove(rows.of_url(transaction, context, request["QueueUrl"]).arn, request["TagKeys"])
            return {}

        return await self._store.write(work)

    async def list_tags(self, context: Context, request: Document) -> Document:
        """ListQueueTags."""

        def work(transaction: Transaction) -> dict[str, str]:
            return transaction.tags.get(rows.of_url(transaction, context, request["QueueUrl"]).arn)

        tags = await self._store.read(work)
        return {"Tags": tags} if tags else {}

    def _address(self, world: World, name: str) -> str:
        return f"{self._url}/{world.account}/{name}"


def _new(context: Context, name: str, given: dict[str, str]) -> Resource:
    return Resource(
        context.world,
        queues.QUEUE,
        name,
        arn=queues.arn(context.world, name),
        name=name,
        spec={"Attributes": {member: value for member, value in given.items() if value != ""}},
        created=context.now,
        modified=context.now,
        due=context.now,
    )


def _shown(queue: Resource, member: str) -> Any:
    value = queue.spec["Attributes"].get(member)
    return str(queues.DEFAULTS[member]) if value is None and member in queues.DEFAULTS else value


def _dead_letters(queue: Resource) -> str:
    policy = json.loads(queue.spec["Attributes"].get("RedrivePolicy") or "{}")
    return str(policy.get("deadLetterTargetArn", ""))


def _queues(transaction: Transaction, world: World) -> list[Resource]:
    found: list[Resource] = []
    after: tuple[object, ...] | None = None
    while page := transaction.resources.query(world, queues.QUEUE, order="name", descending=False, after=after, limit=_PAGE):
        found += page
        after = (page[-1].name, page[-1].key)
    return found


def _page(names: list[str], request: Document) -> tuple[list[str], Document]:
    if "NextToken" in request:
        (last,) = read_marker(request["NextToken"], 1, Fault("InvalidParameterValue", "Invalid NextToken."))
        names = [name for name in names if name > last]
    page = names[: request.get("MaxResults", _PAGE)]
    more = "MaxResults" in request and len(page) < len(names)
    return page, {"NextToken": make_marker([page[-1]])} if more else {}
