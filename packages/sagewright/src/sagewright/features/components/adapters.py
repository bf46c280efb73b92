"""Makes adapters true: looks at the copies of their base, asks adapter_plan.py, and does what it says. Part of the controller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Protocol

from sagewright.base.world import World
from sagewright.features.components.adapter import (
    Abandon,
    AdapterAction,
    AdapterSight,
    Answer,
    Artefact,
    Held,
    Load,
    Place,
    Unload,
    base_of,
)
from sagewright.features.components.copies import Copies, Crew
from sagewright.features.components.registrar import Registrar
from sagewright.features.components.sight import Key
from sagewright.serving.unit import Unit
from sagewright.store.database import Store, Transaction
from sagewright.store.rows import Document, Identity, Resource

KIND = "InferenceComponent"
MOST = 1000


class Routes(Protocol):
    """Where fronts find who answers for a component (features/hosting/publish.py)."""

    def put_component(self, world: World, endpoint: str, name: str, entry: Document | None) -> bool:
        """These copies answer for the component; None: nobody does. Whether that is new."""


class Adapters:
    """``unit`` tells a copy of a base as serving knows it, ``route`` as fronts do; ``told`` wakes the loop for a row."""

    def __init__(
        self,
        store: Store,
        registrar: Registrar,
        routes: Routes,
        unit: Callable[[Resource, Key], Unit],
        route: Callable[[Resource, Key], Document],
        told: Callable[[Identity], None],
    ) -> None:
        self._store = store
        self._registrar = registrar
        self._routes = routes
        self._unit = unit
        self._route = route
        self._told = told

    async def observe(self, row: Resource) -> AdapterSight:
        """What the copies of the base have of this adapter."""
        base = await self._base(row)
        refusal = _refusal(row, base)
        if base is None or refusal:
            return AdapterSight(refusal=refusal)
        copies = Copies.of(base.status)
        places = await asyncio.to_thread(lambda: tuple(self._places(row, base, copies)))
        variant = (copies.active or Crew(0)).definition.get("Variant", "")
        return AdapterSight(places, copies.active is not None, "", str(variant))

    async def perform(self, row: Resource, action: AdapterAction) -> None:
        """Does one action."""
        match action:
            case Abandon():
                await self._registrar.abandon(row.identity)
                return
        base = await self._base(row)
        if base is None:
            return
        match action:
            case Load(key, artefact):
                self._registrar.load(row.identity, self._unit(base, key), artefact.identifier, artefact.url)
            case Unload(key, identifier):
                await self._registrar.unload(row.identity, self._unit(base, key), identifier)
            case Answer(keys, identifier, variant):
                routes = [self._route(base, key) for key in keys]
                entry = {"name": row.key, "variant": variant, "replicas": routes, "adapter": identifier}
                self._routes.put_component(row.world, row.spec["EndpointName"], row.key, entry)

    async def hint(self, base: Resource) -> None:
        """The copies of a base have changed: its adapters look at once."""
        for row in await self._store.read(lambda transaction: adapters_of(transaction, base)):
            self._told(row.identity)

    async def _base(self, row: Resource) -> Resource | None:
        name = base_of(row)
        return await self._store.read(lambda transaction: transaction.resources.get(row.world, KIND, name))

    def _places(self, row: Resource, base: Resource, copies: Copies) -> Iterator[Place]:
        for crew in filter(None, (copies.active, copies.target)):
            for slot in crew.slots:
                if slot.served:
                    yield self._place(row, base, (crew.generation, slot.index, slot.attempt), True, crew is copies.active)
        for leaving in copies.leaving:
            if not leaving.asked:
                yield self._place(row, base, (leaving.generation, leaving.index, leaving.attempt), False, False)

    def _place(self, row: Resource, base: Resource, key: Key, stays: bool, active: bool) -> Place:
        unit, target = self._unit(base, key), Artefact.wanted(row)
        loaded = self._registrar.loaded(unit, row.key)
        held = Held.of(row.status)
        if held.artefact and held.refused == row.spec.get("Generation", 1):
            target = held.artefact
        return Place(key, loaded, self._registrar.problem(row.identity, unit, target.identifier), stays, active)


def adapters_of(transaction: Transaction, base: Resource) -> list[Resource]:
    """The adapters that name a component as their base."""
    rows = transaction.resources.query(base.world, KIND, limit=MOST)
    return [row for row in rows if base_of(row) == base.key]


def _refusal(row: Resource, base: Resource | None) -> str:
    name = base_of(row)
    if base is None:
        return f'Could not find inference component "{name}".'
    if base_of(base):
        return f'Inference component "{name}" is an adapter itself and cannot be the base of another.'
    if base.spec["EndpointName"] != row.spec["EndpointName"]:
        return f'The base inference component "{name}" is on endpoint "{base.spec["EndpointName"]}", not on this one.'
    if base.state in ("Failed", "Deleting"):
        return f'The base inference component "{name}" is in status {base.state}.'
    return ""
