"""Writes the route snapshot that front reads (docs/architecture.md): by rename, and only when something changed."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Any

import orjson

from sagewright.base import files
from sagewright.base.world import World
from sagewright.store.rows import Document


class Publisher:
    """All endpoints of all worlds in one file; ``open`` starts from what the last control left there."""

    def __init__(self, snapshot: Path) -> None:
        self._snapshot = snapshot
        self._generation = 0
        self._endpoints: dict[str, Document] = {}

    def open(self, present: Set[str] | None = None) -> None:
        """Reads the file; with ``present``, keeps only those endpoints (by route key) and writes it when that changed anything."""
        self._generation, self._endpoints = _read(self._snapshot)
        kept = {key: entry for key, entry in self._endpoints.items() if present is None or key in present}
        if kept != self._endpoints or not self._snapshot.exists():
            self._endpoints = kept
            self._write()

    def put(self, world: World, name: str, arn: str, variants: list[Document], capture: Document | None = None) -> None:
        """The endpoint's routes are these; writes nothing when they were these already."""
        key = route_key(world, name)
        entry: Document = {"arn": arn, "variants": variants}
        if capture is not None:
            entry["capture"] = capture
        if self._endpoints.get(key) != entry:
            self._endpoints[key] = entry
            self._write()

    def drop(self, world: World, name: str) -> None:
        """The endpoint has no routes any more."""
        if self._endpoints.pop(route_key(world, name), None) is not None:
            self._write()

    def instances(self, key: str, variant: str) -> int:
        """How many replicas of a variant have routes; 0 where there is none of that name."""
        variants = self._endpoints.get(key, {}).get("variants", ())
        return next((len(entry["replicas"]) for entry in variants if entry["name"] == variant), 0)

    def _write(self) -> None:
        self._generation += 1
        self._snapshot.parent.mkdir(parents=True, exist_ok=True)
        # No fsync: after a crash of the machine the rows bring the routes back, and nobody was listening meanwhile.
        files.write(self._snapshot, orjson.dumps({"generation": self._generation, "endpoints": self._endpoints}))


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
