"""The resource engine: registers a handler for every operation that follows from the service model.

What is written by hand wins over what is registered here (Operations.write), so the order of registration does not matter.
Features get at the same parts the derived handlers use: ``catalog``, ``store``, and writing.py's functions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sagewright.base.world import World
from sagewright.kernel.catalog import Catalog
from sagewright.kernel.crud import Create, Delete, Describe, Made, Refused, Update
from sagewright.kernel.derive import kinds as derived_kinds
from sagewright.kernel.kind import Kind, Rule
from sagewright.kernel.listing import List
from sagewright.kernel.operation import Operations
from sagewright.kernel.paging import Tokens
from sagewright.kernel.quirks import EXTRA, QUIRKS, RECORDS
from sagewright.kernel.search import Search, Suggestions
from sagewright.kernel.shapes import Model
from sagewright.kernel.tags import TagOperations
from sagewright.store.database import Store
from sagewright.store.rows import Resource

SERVICE = "sagemaker"


class Engine:
    """Registers everything derivable with ``operations``.

    ``controllers``: kinds of work that a controller makes true; creating any other kind of work is refused. ``rules``: by operation
    name, checks that run before anything is written. ``quirks``: by kind, fields that a feature changes. ``made``: see crud.Made.
    ``secret``: signs page tokens; keep it the same over restarts.
    """

    def __init__(
        self,
        store: Store,
        operations: Operations,
        *,
        controllers: Collection[str] = (),
        rules: Mapping[str, Sequence[Rule]] | None = None,
        quirks: Mapping[str, Mapping[str, Any]] | None = None,
        kinds: Iterable[Kind] = (),
        made: Made | None = None,
        secret: bytes = b"sagewright",
    ) -> None:
        self.store = store
        self.model = Model(SERVICE)
        merged = {name: _merged(QUIRKS.get(name, {}), (quirks or {}).get(name, {})) for name in {*QUIRKS, *(quirks or {})}}
        self.catalog = Catalog(self.model, derived_kinds(self.model, merged, (*EXTRA, *kinds), RECORDS))
        self.tokens = Tokens(secret)
        self.refused: set[str] = set()
        self._operations = operations
        self._controllers = frozenset(controllers)
        self._rules = rules or {}
        self._made = made
        for kind in self.catalog:
            self._register(kind)
        self._register_generic()

    async def get(self, world: World, kind: str, key: str) -> Resource | None:
        """One row, for features."""
        return await self.store.read(lambda transaction: transaction.resources.get(world, kind, key))

    def _register(self, kind: Kind) -> None:
        can = not kind.work or kind.name in self._controllers
        if kind.create:
            create = Create(self.catalog, self.store, kind, kind.create, self._rules.get(kind.create, ()), self._made)
            self._derive(kind.create, create if can else None)
        if kind.update:
            update = Update(self.catalog, self.store, kind, kind.update, self._rules.get(kind.update, ()))
            self._derive(kind.update, update if can else None)
        if kind.describe:
            self._derive(kind.describe, Describe(self.catalog, self.store, kind, kind.describe))
        if kind.delete:
            self._derive(kind.delete, Delete(self.catalog, self.store, kind, kind.delete))
        if kind.list:
            self._derive(kind.list, List(self.catalog, self.store, kind, kind.list, self.tokens))
        self._refuse_starts(kind, can)

    def _refuse_starts(self, kind: Kind, can: bool) -> None:
        """Start… of a kind of work is never derived; it is refused until its feature writes it."""
        start = f"Start{kind.name}"
        if start in self.model and not can:
            self._derive(start, None)

    def _register_generic(self) -> None:
        tags = TagOperations(self.catalog, self.store, self.tokens)
        self._derive("AddTags", tags.add)
        self._derive("ListTags", tags.list)
        self._derive("DeleteTags", tags.remove)
        self._derive("Search", Search(self.catalog, self.store, self.tokens, self.catalog))
        self._derive("GetSearchSuggestions", Suggestions(self.catalog))

    def _derive(self, operation: str, handler: Any) -> None:
        if handler is None:
            self.refused.add(operation)
            handler = Refused(operation)
        self._operations.derive(SERVICE, operation, handler)


def _merged(quirk: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A feature's quirk over ours: aliases add up, every other field is replaced."""
    return {**quirk, **change, "aliases": {**quirk.get("aliases", {}), **change.get("aliases", {})}}
