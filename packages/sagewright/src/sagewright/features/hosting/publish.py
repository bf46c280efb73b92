"""Writes the route snapshot that front reads (docs/architecture.md): by rename, and only when something changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import orjson

from sagewright.base import files
from sagewright.base.world import World
from sagewright.features.hosting.metrics_config import of_invocations
from sagewright.store.rows import Document


class Publisher:
    """All endpoints of all worlds in one file; ``open`` starts from what the last control left there."""

    def __init__(self, snapshot: Path) -> None:
        self._snapshot = snapshot
        self._generation = 0
        self._endpoints: dict[str, Document] = {}
        self._changed = asyncio.Event()
        self._components: dict[str, dict[str, Document]] = {}

    def open(self, present: Set[str] | None = None) -> None:
        """Reads the file; with ``present``, keeps only those endpoints (by route key) and writes it when that changed anything."""
        self._generation, self._endpoints = _read(self._snapshot)
        for key, endpoint in self._endpoints.items():
            self._components[key] = {entry["name"]: entry for entry in endpoint.pop("components", ())}
        kept = {key: entry for key, entry in self._endpoints.items() if present is None or key in present}
        if kept != self._endpoints or not self._snapshot.exists():
            self._endpoints = kept
            self._write()

    def put(self, world: World, name: str, arn: str, variants: list[Document], extra: Document | None = None) -> None:
        """The endpoint's routes are these, with those further members that say anything; nothing is written when they were these already."""
        key, entry = route_key(world, name), {"arn": arn, "variants": variants}
        entry |= {member: value for member, value in (extra or {}).items() if value}
        if self._endpoints.get(key) != entry:
            self._endpoints[key] = entry
            self._write()

    def put_component(self, world: World, endpoint: str, name: str, entry: Document | None) -> bool:
        """These copies answer for an inference component of the endpoint; None: nobody does. Whether that is new."""
        known = self._components.setdefault(route_key(world, endpoint), {})
        if known.get(name) != entry:
            known.pop(name, None) if entry is None else known.update({name: entry})
            self._write()
            return True
        return False

    def drop(self, world: World, name: str) -> None:
        """The endpoint has no routes any more."""
        self._components.pop(route_key(world, name), None)
        if self._endpoints.pop(route_key(world, name), None) is not None:
            self._write()

    async def changed(self) -> None:
        """Until something is written."""
        await self._changed.wait()

    def serverless(self, key: str, variant: str) -> Document:
        """What the route of a serverless variant says of it (serverless.py); empty for any other."""
        variants = self._endpoints.get(key, {}).get("variants", ())
        return next((entry.get("serverless", {}) for entry in variants if entry["name"] == variant), {})

    def instances(self, key: str, variant: str) -> int:
        """How many replicas of a variant have routes; 0 where there is none of that name."""
        entry = self._endpoints.get(key, {})
        variants = (*entry.get("variants", ()), *entry.get("shadow", ()))
        return next((found.get("hosts", len(found["replicas"])) for found in variants if found["name"] == variant), 0)

    def frequency(self, key: str) -> float:
        """Seconds between two points of what is counted of an endpoint's calls; 0: as they come."""
        return of_invocations(self._endpoints.get(key, {}).get("metrics", {}))

    def entry(self, world: World, name: str) -> Document | None:
        """What the snapshot says of an endpoint."""
        return self._endpoints.get(route_key(world, name))

    def entries(self) -> Iterator[tuple[World, str, Document]]:
        """All that it says."""
        for key, entry in self._endpoints.items():
            account, region, name = key.split("/")
            yield World(account, region), name, entry

    def variant(self, key: str, name: str) -> Document | None:
        """What is published of a variant of the endpoint with this route key."""
        variants = self._endpoints.get(key, {}).get("variants", ())
        return next((variant for variant in variants if variant["name"] == name), None)

    def _write(self) -> None:
        self._generation += 1
        self._snapshot.parent.mkdir(parents=True, exist_ok=True)
        # No fsync: after a crash of the machine the rows bring the routes back, and nobody was listening meanwhile.
        files.write(self._snapshot, orjson.dumps({"generation": self._generation, "endpoints": self._complete()}))
        self._changed.set()
        self._changed = asyncio.Event()

    def _complete(self) -> dict[str, Document]:
        """The endpoints with their components."""
        return {
            key: {**entry, "components": list(self._components[key].values())} if self._components.get(key) else entry
            for key, entry in self._endpoints.items()
        }


def route_key(world: World, name: str) -> str:
    """How front finds an endpoint."""
    return f"{world.account}/{world.region}/{name}"


def _read(snapshot: Path) -> tuple[int, dict[str, Any]]:
    """What is in the file; nothing when there is none or a crash of the machine left half of it: the rows bring it back."""
    try:
        document = orjson.loads(snapshot.read_bytes())
        return int(document["generation"]), dict(document["endpoints"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, {}
