"""Create, Describe, Update and Delete of any kind, each compiled for its kind when the engine starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sagewright.kernel.catalog import Catalog
from sagewright.kernel.kind import Kind, Rule
from sagewright.kernel.operation import Context
from sagewright.kernel.shapes import members, token_member
from sagewright.kernel.writing import change, insert, new_resource, once, remove, tag_mapping
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Resource
from sagewright.wire.errors import not_available, validation

Made = Callable[[Resource], None]
"""Called inside the transaction that makes a resource: quick, idempotent, raises OSError to undo it (directories of a domain)."""


class Verb:
    """What all verbs have: the kind, the rows, the projection of the answer, and the client token's member."""

    def __init__(self, catalog: Catalog, store: Store, kind: Kind, operation: str, rules: Sequence[Rule] = ()) -> None:
        self._catalog = catalog
        self._store = store
        self._kind = kind
        self._operation = operation
        self._rules = tuple(rules)
        self._answer = catalog.projection(kind, operation)
        self._token = token_member(catalog.model.input(operation))

    def _ruled(self, context: Context, request: Document) -> Document:
        """The request after the rules, each of which may replace it."""
        for rule in self._rules:
            changed = rule(context, request)
            request = request if changed is None else changed
        return request

    def _once(self, transaction: Transaction, context: Context, request: Document, answer: Callable[[], Document]) -> Document:
        token = request.get(self._token) if self._token else None
        return once(transaction, context, self._operation, token, request, answer)


class Create(Verb):
    """Keeps what was sent, exactly; gives ids, ARN and state; checks references, then uniqueness."""

    def __init__(
        self, catalog: Catalog, store: Store, kind: Kind, operation: str, rules: Sequence[Rule] = (), made: Made | None = None
    ) -> None:
        super().__init__(catalog, store, kind, operation, (*kind.rules, *rules))
        self._made = made

    async def __call__(self, context: Context, request: Document) -> Document:
        spec = dict(self._ruled(context, request))
        tags = tag_mapping(spec.pop("Tags", None))
        spec.pop(self._token, None)
        resource = new_resource(context, self._kind, spec)
        return await self._store.write(
            lambda transaction: self._once(transaction, context, request, lambda: self._insert(transaction, resource, tags))
        )

    def _insert(self, transaction: Transaction, resource: Resource, tags: dict[str, str]) -> Document:
        written = insert(transaction, self._catalog, resource, tags)
        if self._made:
            self._made(written)
        answer: Document = self._answer(self._catalog.document(self._kind, written))
        return answer


class Describe(Verb):
    """The document of a row, projected on the answer's shape."""

    async def __call__(self, context: Context, request: Document) -> Document:
        kind = self._kind
        if kind.tags_shown:
            answer: Document = self._answer(
                await self._store.read(lambda transaction: self._tagged(transaction, context, request))
            )
            return answer
        resource = await self._store.read(lambda transaction: self._catalog.find(transaction, context.world, kind, request))
        answer = self._answer(self._catalog.document(kind, resource))
        return answer

    def _tagged(self, transaction: Transaction, context: Context, request: Document) -> Document:
        resource = self._catalog.find(transaction, context.world, self._kind, request)
        return self._catalog.document(self._kind, resource, transaction.tags.get(resource.arn))


class Update(Verb):
    """Members that are given replace those at hand; ``…ToRemove`` lists entries of a map to drop; the kind may amend in its own way."""

    def __init__(self, catalog: Catalog, store: Store, kind: Kind, operation: str, rules: Sequence[Rule] = ()) -> None:
        super().__init__(catalog, store, kind, operation, rules)
        self._removals = tuple(m for m in members(catalog.model.input(operation)) if m.endswith("ToRemove"))
        self._ignored = frozenset((*kind.identity, kind.arn, self._token, "Tags", *self._removals))

    async def __call__(self, context: Context, request: Document) -> Document:
        ruled = self._ruled(context, request)
        return await self._store.write(
            lambda transaction: self._once(transaction, context, request, lambda: self._change(transaction, context, ruled))
        )

    def _change(self, transaction: Transaction, context: Context, request: Document) -> Document:
        resource = self._catalog.find(transaction, context.world, self._kind, request)
        spec = self.amended(dict(resource.spec), request)
        self._catalog.check_references(transaction, context.world, self._kind, spec)
        written = change(transaction, context, self._kind, resource, spec)
        answer: Document = self._answer(self._catalog.document(self._kind, written))
        return answer

    def amended(self, spec: Document, request: Document) -> Document:
        """The spec after an Update request."""
        given = {member: value for member, value in request.items() if member not in self._ignored}
        if self._kind.amend:
            return self._kind.amend(spec, given)
        for member, value in given.items():
            spec[member] = {**spec.get(member, {}), **value} if member in self._kind.merged else value
        for removal in self._removals:
            member = removal.removesuffix("ToRemove")
            if removal in request and member in spec:
                spec[member] = {name: value for name, value in spec[member].items() if name not in request[removal]}
        return spec


class Delete(Verb):
    """Removes the row unless others need it. Work that is under way is refused here; its feature writes a Delete of its own."""

    async def __call__(self, context: Context, request: Document) -> Document:
        return await self._store.write(
            lambda transaction: self._once(transaction, context, request, lambda: self._remove(transaction, context, request))
        )

    def _remove(self, transaction: Transaction, context: Context, request: Document) -> Document:
        resource = self._catalog.find(transaction, context.world, self._kind, request)
        if self._kind.work and resource.due is not None:
            raise validation(f"Cannot delete {self._kind.words} {resource.arn} while it is {resource.state}.")
        document = self._catalog.document(self._kind, resource)
        remove(transaction, self._catalog, resource)
        answer: Document = self._answer(document)
        return answer


class Refused:
    """Creating, starting or changing work that nothing here can do yet."""

    def __init__(self, operation: str) -> None:
        self._operation = operation

    async def __call__(self, context: Context, request: Document) -> Document:
        raise not_available(self._operation)
